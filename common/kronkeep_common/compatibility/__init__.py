"""Check whether a backup's schedule fits its CronJob's, on their fire times of more than a year.

A year has both clock changes of a zone. The findings are:

SameTime         both fire in the same minute                                        conflict
BackupBeforeRun  on a local day of the CronJob's zone on which both fire, the first
                 backup comes before the first run                                   conflict
TooClose         the backup starts before the run has had its expected duration      conflict above 5 %
NothingNew       no run between two backups                                          warning
RunNotArchived   the next run comes before any backup                                warning
NeverFires       one of the two never fires                                          conflict
RarelyFires      half a year or more passes between two fires                        warning
DstSkip          the clocks skip a fire time on some day                             warning
DstRepeat        the clocks repeat a fire time on some day                           warning
StorageBusy      another policy's backup holds the storage when this one starts      warning

`check` returns them; `resolve` applies one of the strategies that end a conflict.
"""

from kronkeep_common.compatibility.check import DEFAULT_DURATION, HORIZON, CheckContext, check
from kronkeep_common.compatibility.expected_duration import percentile_95
from kronkeep_common.compatibility.storage_overlap import OtherPolicy
from kronkeep_common.compatibility.strategies import offer_resolutions, resolve

__all__ = [
    "DEFAULT_DURATION",
    "HORIZON",
    "CheckContext",
    "OtherPolicy",
    "check",
    "offer_resolutions",
    "percentile_95",
    "resolve",
]
