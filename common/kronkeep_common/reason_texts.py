"""What each reason code means and what to do about it, in the sections of the reference page.

A message that a person reads often says more (a name, an exit code, the server's own words); where it does
not, it is the meaning given here.
"""

from kronkeep_common.reason_text import ReasonText
from kronkeep_common.repository_reason_texts import REPOSITORIES

_RUNS = {
    "ImagePullFailed": ReasonText(
        "The image of a container could not be pulled.",
        "Check the image's name and tag, the registry, and the pull secret.",
    ),
    "InvalidImageName": ReasonText("The image's name is not valid.", "Correct the image's name."),
    "ErrImageNeverPull": ReasonText(
        "The image is not on the node, and imagePullPolicy is Never.",
        "Put the image on the node, or change imagePullPolicy.",
    ),
    "ConfigurationMissing": ReasonText(
        "A Secret, ConfigMap, claim or service account that the pod names does not exist.",
        "Create what the message names, in the same namespace, or correct the name in the CronJob.",
    ),
    "CreateContainerError": ReasonText(
        "A container could not be created.", "Correct what the message names in the container."
    ),
    "RunContainerError": ReasonText(
        "A container could not be started.", "Correct the command or the mounts of the container."
    ),
    "PostStartHookError": ReasonText(
        "The postStart hook of a container failed.", "Correct the container's postStart hook."
    ),
    "CrashLoopBackOff": ReasonText(
        "A container failed several times; Kubernetes waits before it starts it again.",
        "Read the log of the last attempt.",
    ),
    "MountFailed": ReasonText(
        "A volume could not be attached or mounted.", "Correct the volume that the message names."
    ),
    "SandboxFailed": ReasonText(
        "The node could not set up the pod.", "Look at the node's container runtime and network."
    ),
    "Unschedulable": ReasonText("No node can take the pod.", "Free or add a node that fits."),
    "CannotCreatePod": ReasonText(
        "The Job cannot create its pod: a quota or the cluster's admission refuses it.",
        "Raise the quota, or correct what the cluster's admission refuses.",
    ),
    "CannotRun": ReasonText(
        "The command of a container could not be started.", "Correct the command or the image."
    ),
    "ExitCode": ReasonText(
        "A container ended with an exit code other than 0.", "Read the last lines of its log."
    ),
    "Signal": ReasonText(
        "A container was ended by a signal.",
        "Find out who stopped it: a deletion, the node, or the program itself.",
    ),
    "ProbeFailed": ReasonText(
        "A container was ended as its liveness or startup probe failed.",
        "Give the probe more time or correct it; a program that runs to its end seldom needs one.",
    ),
    "PodDeleted": ReasonText(
        "The pod was deleted while it ran.", "Find out who deleted it: a person, a drain, a controller."
    ),
    "OOMKilled": ReasonText(
        "A container needed more memory than its limit.",
        "Raise resources.limits.memory or make the run smaller.",
    ),
    "Evicted": ReasonText(
        "The pod was evicted from its node.", "Give the pod requests that fit, or free the node."
    ),
    "Preempted": ReasonText(
        "The pod had to make room for one of a higher priority.",
        "Give the run a higher priority, or the cluster more room.",
    ),
    "Preempting": ReasonText(
        "The node stopped the pod to make room for one of a higher priority.",
        "Give the run a higher priority, or the cluster more room.",
    ),
    "NodeLost": ReasonText(
        "The pod's node is gone or no longer answers.", "Look at the node, then run it again."
    ),
    "NodeNotReady": ReasonText(
        "The node of a running pod does not answer.",
        "Look at the node; after five minutes Kubernetes takes the pod away, and it may run until then.",
    ),
    "NodeShutdown": ReasonText("The pod's node was shut down.", "The node was shut down; run it again."),
    "Terminated": ReasonText("The pod's node was shut down.", "The node was shut down; run it again."),
    "UnexpectedAdmissionError": ReasonText(
        "The node refused the pod.", "Look at the node named in the run; run it again."
    ),
    "Disrupted": ReasonText("The pod was removed from its node.", "Run it again."),
    "PodFailurePolicy": ReasonText(
        "A rule of the Job's podFailurePolicy ended it.",
        "Look at the exit code in the podFailurePolicy rules.",
    ),
    "FailedIndexes": ReasonText(
        "Some indexes of an Indexed Job failed more often than backoffLimitPerIndex allows.",
        "Read the log of a pod of one of these indexes; run it again once that is corrected.",
    ),
    "MaxFailedIndexesExceeded": ReasonText(
        "More indexes of an Indexed Job failed than maxFailedIndexes allows, so all of it was stopped.",
        "Read the log of a pod of one of these indexes; run it again once that is corrected.",
    ),
    "SuccessPolicy": ReasonText(
        "The Job's successPolicy was met before all of its indexes succeeded.",
        "Nothing, if the run's work is whole without the other indexes; else correct the successPolicy.",
    ),
    "Suspended": ReasonText(
        "The Job is suspended: it runs nothing until somebody resumes it.",
        "Look at the queue that holds it, such as Kueue's; else set suspend to false on the Job, and in the "
        "CronJob's jobTemplate where that suspends each Job.",
    ),
    "ManagedElsewhere": ReasonText(
        "The Job names another controller in managedBy, and that one has not begun.",
        "Look at that controller; without it nothing ever runs the Job, and managedBy must go.",
    ),
    "PodsEnding": ReasonText(
        "The Job waits for pods that are still ending.",
        "Wait for their grace period; if they stay, look at their nodes.",
    ),
    "BeingDeleted": ReasonText(
        "The Job is being deleted, and a finalizer or its pods still hold it.",
        "Let the finalizer's owner release the Job, or remove the finalizer; with concurrencyPolicy Forbid "
        "no other run starts meanwhile.",
    ),
    "Failed": ReasonText("The Job failed, and Kubernetes gives no reason.", "Look at the Job's events."),
    "StillRunning": ReasonText(
        "The run before it was still going on (concurrencyPolicy: Forbid), until the next slot was due.",
        "Make the run shorter than its schedule's interval, or allow runs at once.",
    ),
    "DeadlinePassed": ReasonText(
        "No Job was started within startingDeadlineSeconds.",
        "Look at the CronJob's Events and at kube-controller-manager; raise startingDeadlineSeconds.",
    ),
    "NotStarted": ReasonText(
        "No Job was started before the next slot was due.",
        "Look at the CronJob's Events and at kube-controller-manager.",
    ),
    "Replaced": ReasonText(
        "The run was replaced by the next one (concurrencyPolicy: Replace).",
        "Make the run shorter than its schedule's interval, or use Forbid.",
    ),
    "Deleted": ReasonText("The Job was deleted before it ended.", "Find out who deleted it; run it again."),
    "FailedWhileAway": ReasonText(
        "The Job failed while kronkeep was not watching; its pods are gone.",
        "Look for the run's own traces; run it again if in doubt.",
    ),
    "GoneWhileAway": ReasonText(
        "The Job ended or was deleted while kronkeep was not watching; how is not known.",
        "Look for the run's own traces; run it again if in doubt.",
    ),
    "Gap": ReasonText(
        "Runs were due while kronkeep was not watching; what became of them is not known.",
        "Look for the runs' own traces; run the CronJob again if in doubt.",
    ),
}

_JOBS = {
    "DeadlineExceeded": ReasonText(
        "The run, backup, restore or work on a storage was stopped at its deadline.",
        "Raise the deadline, or make the work shorter.",
    ),
    "Interrupted": ReasonText(
        "The work was killed before it ended, by its node, for its use of memory, or with the daemon.",
        "Run it again; if it happens again, look for OOMKilled and raise archive.limits.",
    ),
    "JobFailed": ReasonText(
        "The Job failed, and none of its containers says why.",
        "Look at the Job's events with kubectl describe.",
    ),
    "JobGone": ReasonText(
        "The Job was deleted before it ended; how it ended is not known.",
        "Look at what it has done so far, then start it again.",
    ),
    "PodsDisagree": ReasonText(
        "The Job's condition and its pods tell different ends, or several pods claim to be its own.",
        "A node that was silent for five minutes explains it; else find out who may create pods in that "
        "namespace. Look at the Job's pods, then start it again.",
    ),
    "NoSummary": ReasonText(
        "restic ended without an error but did not report its result.",
        "Look at the storage's snapshots, or at the restore's target.",
    ),
    "Cancelled": ReasonText("Somebody cancelled it.", "Start it again when it is needed."),
}

_BACKUPS = {
    "CronJobFailed": ReasonText(
        "The run failed, so nothing was archived.", "Correct what made the run fail, then run it again."
    ),
    "CronJobCancelled": ReasonText(
        "The run was cancelled, so nothing was archived.", "Run the CronJob again."
    ),
    "CronJobUnknown": ReasonText(
        "How the run ended is not known, so nothing was archived.",
        "Run the CronJob again, or back up now.",
    ),
    "RunNeverEnded": ReasonText(
        "The run did not end within the backup's deadline, so nothing was archived.",
        "Look at the run; back up now if need be.",
    ),
    "PolicyGone": ReasonText(
        "The policy or the run was deleted before the archive could be made.",
        "Back up by hand if it is needed.",
    ),
    "PolicyInvalid": ReasonText(
        "The backup policy cannot be read, so the backup waits until it is corrected.",
        "Correct the annotation kronkeep.dev/backup-policy; a backup that waits then goes on by itself.",
    ),
    "QueueTimeout": ReasonText(
        "The repository was busy with other work until the backup's deadline.",
        "Spread the schedules of the policies that share the storage.",
    ),
    "RepositoryBusy": ReasonText(
        "As many archives are at work on the repository as it may have at once.",
        "Wait, or raise archive.parallel.repository in the settings.",
    ),
    "ClusterBusy": ReasonText(
        "As many archives are at work in the cluster as it may have at once.",
        "Wait, or raise archive.parallel.cluster in the settings.",
    ),
    "NodeBusy": ReasonText(
        "As many archives are at work on the claims' node as it may have at once.",
        "Wait, or raise archive.parallel.node in the settings.",
    ),
    "HooksBusy": ReasonText(
        "As many backups of the namespace are in their pre hooks as the repository may have archives.",
        "Wait, shorten the hooks, or raise archive.parallel.repository in the settings.",
    ),
    "RepositoryExclusive": ReasonText(
        "Work that needs the repository alone (forget, prune, check) is at work or comes first.",
        "Wait; kronkeep get queue shows what it is.",
    ),
    "RepositoryInUse": ReasonText(
        "It needs the repository alone, and archives or readers are at work or come first.",
        "Wait; kronkeep get queue shows them.",
    ),
    "SourceMissing": ReasonText("A path to archive does not exist.", "Correct the policy's source."),
    "NothingToArchive": ReasonText(
        "Nothing to archive: the CronJob mounts no claim and the policy names none.",
        "Mount a PersistentVolumeClaim, name one in the policy's source, or include a dump.",
    ),
    "SourceEmpty": ReasonText(
        "The archive is empty: its sources hold no file.",
        "See that the run writes to the claims that the policy names.",
    ),
    "Incomplete": ReasonText(
        "Some files could not be read; the others are in the snapshot.",
        "Read the warnings; make those files readable for the archive.",
    ),
    "DumpEmpty": ReasonText(
        "The dump's command wrote nothing.", "Run the command by hand; see what it says."
    ),
    "DumpFailed": ReasonText("The database's dump failed.", "Correct the dump's command."),
    "HookFailed": ReasonText(
        "A hook failed, so nothing was archived.", "Correct the hook, then back up again."
    ),
    "ValidationFailed": ReasonText(
        "The hook that checks the snapshot failed.",
        "The snapshot is there; look at it before you trust it.",
    ),
    "Recovered": ReasonText(
        "The snapshot was found in the repository; no record says how its archive ended.",
        "It counts as good once its run's record agrees, or once it is verified: kronkeep verify ID.",
    ),
    "Unusual": ReasonText(
        "The backup succeeded, and its figures differ from those before: data may be lost, or rewritten.",
        "Look at what changed. If it is right, acknowledge the alert BackupUnusual: then retention goes on.",
    ),
    "SnapshotUnconfirmed": ReasonText(
        "The archive's log names a snapshot that the repository does not show with this backup's tags.",
        "Find out what wrote that line (the image, a dump, somebody in the pod), and back up again.",
    ),
    "ResultLost": ReasonText(
        "A snapshot is there, but how the archive ended is not known: it may lack files.",
        "Verify it (kronkeep verify), or back up again.",
    ),
    "ConfigurationTooLarge": ReasonText(
        "The CronJob's manifest and ConfigMaps do not fit into one ConfigMap, which carries them to the pod.",
        "Leave include.configuration off, or make the ConfigMaps smaller.",
    ),
    "NameTaken": ReasonText(
        "Somebody else created an object of the name that is needed; it is neither believed nor deleted.",
        "Find out who created it, delete it, then try again.",
    ),
}

_RESTORES = {
    "NoBackup": ReasonText(
        "The policy has no good backup that could be restored.", "Back up now; see why none is good."
    ),
    "SnapshotGone": ReasonText("The repository no longer has that snapshot.", "Choose another backup."),
    "PruneHeld": ReasonText(
        "Snapshots are missing, and a prune would delete the data with which they could be brought back.",
        "Bring them back (an older copy of the volume, deleted objects of the server). If they are gone for "
        "good, say so (kronkeep storage acknowledge NAME), and prune again.",
    ),
    "SnapshotMissing": ReasonText(
        "Snapshots that are to stay are not in the repository, so nothing was forgotten.",
        "Find out who removed them; see the backups that have snapshot_missing_at.",
    ),
    "ListingUnreadable": ReasonText(
        "restic's list of the repository's snapshots could not be read as a whole.",
        "Try again; where it stays so, restic cannot read a snapshot: kronkeep storage check NAME says why.",
    ),
    "TargetFull": ReasonText("The target has no space left.", "Restore to a larger claim."),
    "TargetReadOnly": ReasonText("The target cannot be written.", "Choose a claim that may be written."),
    "ChangedMeanwhile": ReasonText(
        "Files changed while they were archived.", "Archive when nothing writes, such as after the run."
    ),
    "Different": ReasonText(
        "Files are not what was archived.",
        "Do not rely on this backup; back up again and check the storage.",
    ),
    "MoveFailed": ReasonText(
        "The restored files could not be moved to their place.",
        "Correct what the message names (a mount point, a right, a full disk), then restore again.",
    ),
    "LookFailed": ReasonText("The restored files could not be read.", "Look at the log, and restore again."),
    "CheckFailed": ReasonText(
        "The drill's check command failed.", "Look at what the check says in the drill's log."
    ),
}

_COPIES = {
    "HistoryTooLarge": ReasonText(
        "The history is larger than what goes into a storage (115 MB compressed, about a gigabyte).",
        "Keep fewer records (history.keep_days, keep_runs_per_cronjob; kronkeepd store retain), "
        "or copy it with other tools: docs/history.md.",
    ),
    "CopyIncomplete": ReasonText(
        "restic ended without an error, and the copies' repository does not show the backup's snapshots.",
        "It is tried again; where it stays so, look at the storage (kronkeep storage rescan NAME).",
    ),
    "OriginalGone": ReasonText(
        "The first storage no longer has the snapshot that was to be copied.",
        "Nothing is to be done for this backup: later ones are copied.",
    ),
}

SECTIONS: dict[str, dict[str, ReasonText]] = {
    "Runs": _RUNS,
    "Jobs of kronkeep's own: backups, restores and work on storages": _JOBS,
    "Backups": _BACKUPS,
    "Repositories: storages, and the backups and restores that use them": REPOSITORIES,
    "Copies of backups in other storages": _COPIES,
    "Restores and drills": _RESTORES,
}
TEXTS: dict[str, ReasonText] = {code: text for section in SECTIONS.values() for code, text in section.items()}
