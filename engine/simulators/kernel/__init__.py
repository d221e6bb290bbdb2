"""The one compiled loop of the native simulator: `trade`, in the order of a session (`Simulator`)."""
