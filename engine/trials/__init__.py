"""The trial log: every distinct configuration that was evaluated on a data set's lineage, for ever.

1. A record is immutable. One is written when a trial starts and one when it ends, so that a run that died counts in N.
2. Records lie in Parquet segments under `<home>/trials/<lineage>/`, made under another name, synced and renamed: any number of
   processes and machines append at once, and a kill leaves whole records only (`segments.py`).
3. A record is known by its id, the instant at which it landed; the last id of a count (`upto`) says what was counted.
4. Nothing removes a record: deleting run folders, `backcast gc` and `backcast store drop` do not touch the log.
"""

from backcast.engine.trials.log import TrialCount, TrialLog, launched_by
from backcast.engine.trials.of_dataset import Trials

__all__ = ["TrialCount", "TrialLog", "Trials", "launched_by"]
