"""Keys of labels and annotations on Kubernetes objects; kronkeep's own begin with `kronkeep.dev/`."""

PREFIX = "kronkeep.dev/"
POLICY = PREFIX + "backup-policy"
POLICY_ID = PREFIX + "backup-policy-id"
POLICY_ENABLED = PREFIX + "backup-enabled"
POLICY_REVISION = PREFIX + "policy-revision"
EXEMPT = PREFIX + "backup-exempt"  # on a claim: why it needs no backup
MANAGED_BY_LABEL = "app.kubernetes.io/managed-by"
MANAGED_BY = "kronkeep"
ROLE_LABEL = PREFIX + "role"  # archive | restore | maintenance | storage | credentials | volume-copy
VOLUME_COPY_ROLE = "volume-copy"
BACKUP_LABEL = PREFIX + "backup-id"
RESTORE_LABEL = PREFIX + "restore-id"
RUN_ANNOTATION = PREFIX + "cronjob-execution-id"
OVERRIDES_ANNOTATION = PREFIX + "overrides"
REQUEST = PREFIX + "request"  # the id of the request that started a manual run
READ_PARTS = PREFIX + "read-parts"  # on the pod of a download: what has been read of its log
TOKEN = PREFIX + "token"  # proves that this daemon created the object
MAINTENANCE = PREFIX + "maintenance"  # ids of the maintenances that keep a CronJob suspended
DECLARED = PREFIX + "declared"  # the fields that a manifest named last, as JSON without values
STARTING_DEADLINE = PREFIX + "starting-deadline-seconds"  # what it was before a resume lowered it

SCHEDULED_TIMESTAMP = "batch.kubernetes.io/cronjob-scheduled-timestamp"  # KEP-4026
INSTANTIATE = "cronjob.kubernetes.io/instantiate"  # "manual" on kubectl create job --from
CONTROLLER_UID_LABEL = "batch.kubernetes.io/controller-uid"  # on the pods of a Job, since Kubernetes 1.27
HELM_HOOK = "helm.sh/hook"  # on what Helm creates beside a release, such as post-upgrade
JOB_NAME_LABEL = "batch.kubernetes.io/job-name"
