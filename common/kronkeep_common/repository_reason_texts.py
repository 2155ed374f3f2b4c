"""What the reason codes of storages and repositories mean, see reason_texts."""

from kronkeep_common.reason_text import ReasonText

REPOSITORIES = {
    "RepositoryMissing": ReasonText(
        "There is no repository at the storage.",
        "Is its volume mounted, was its folder moved or renamed? Put it back (an empty folder may be in its "
        "place); if it is lost, restore from copies in other storages.",
    ),
    "RepositoryThere": ReasonText(
        "There is a repository at the storage already.", "Open it with its password."
    ),
    "RepositoryDamaged": ReasonText(
        "The repository is damaged: what restic read there is not what was written.",
        "Check the storage; copy the repository's folder before anything else is done to it.",
    ),
    "RepositoryLocked": ReasonText("The repository is locked by somebody else.", "Wait until it is free."),
    "WrongRepository": ReasonText(
        "Another repository is in the place of the one that the storage was created with.",
        "Put the right one back, or create a new storage for this one; nothing was written to it.",
    ),
    "ConfigLost": ReasonText(
        "The storage's place holds the keys of a repository whose config is gone or was never written.",
        "Put its config back from a copy, or choose an empty place. "
        "Where nothing was ever archived, empty this one and create the storage again.",
    ),
    "WrongPassword": ReasonText(
        "The repository does not open with this password.",
        "Put the repository's password back into its Secret.",
    ),
    "PasswordMissing": ReasonText(
        "The repository's password is no longer in its Secret.",
        "Put the password back; without it the repository cannot be read.",
    ),
    "SecretMissing": ReasonText(
        "A Secret that the storage or the policy names does not exist.",
        "Create it again: kubectl -n NAMESPACE create secret generic NAME --from-literal=KEY=...",
    ),
    "CredentialsMissing": ReasonText(
        "The Secret of the storage's credentials lacks a key.", "Put the key back into the Secret."
    ),
    "CredentialsRefused": ReasonText(
        "The storage's server refuses the credentials.",
        "Correct the keys in the storage's Secret, or their rights on the server.",
    ),
    "CertificateRefused": ReasonText(
        "The certificate of the storage's server is not trusted.",
        "Put the certificate that signs it into the Secret as ca.crt, or correct the address.",
    ),
    "TlsRefused": ReasonText(
        "restic and the storage's server could not agree on TLS.",
        "Write http:// or https:// into the address as the server speaks it (kronkeep storage set-address "
        "NAME), or let it speak TLS 1.2 or later.",
    ),
    "HostKeyRefused": ReasonText(
        "The SFTP server's host key is not the one in known_hosts.",
        "Compare it with ssh-keyscan; correct known_hosts in the Secret only if the server has a new key.",
    ),
    "KeyUnusable": ReasonText(
        "ssh cannot use the private key of the storage's Secret.",
        "Put a private key without a passphrase into the Secret as ssh-privatekey.",
    ),
    "SessionRefused": ReasonText(
        "The session with the storage's server could not be begun.", "Ask why: kronkeep storage test NAME."
    ),
    "ServerUnreachable": ReasonText(
        "The storage's server does not answer.",
        "Check its address, and that it runs and may be reached from the cluster's nodes.",
    ),
    "BucketMissing": ReasonText(
        "The bucket or container does not exist.",
        "Create it, or correct its name (kronkeep storage set-address NAME).",
    ),
    "BucketNameRefused": ReasonText(
        "The storage's server allows no bucket or container of that name.",
        "Choose 3 to 63 lower-case letters, digits and hyphens (kronkeep storage set-address NAME); where "
        "the name is right, set the bucket's region.",
    ),
    "BucketElsewhere": ReasonText(
        "The bucket is in another region, or at another address, than the storage says.",
        "Correct region or endpoint: kronkeep storage set-address NAME.",
    ),
    "FolderRefused": ReasonText(
        "The folder of the repository could not be made or read on the server.",
        "Create it there and give the storage's user the right to write.",
    ),
    "StartTimeout": ReasonText(
        "A Job of kronkeep's did not start in time, and the cluster does not say why.",
        "Look at the Job's pod and its Events, then try again.",
    ),
    "SourceClaimMissing": ReasonText(
        "A PersistentVolumeClaim that is to be archived does not exist.",
        "Create the claim, or correct its name in the policy's source.",
    ),
    "BlockVolume": ReasonText(
        "A claim that is to be archived is a block volume, which has no files.",
        "Leave the claim out of the policy's source, or archive its data as a dump.",
    ),
    "VolumeCopyUnsupported": ReasonText(
        "The cluster cannot make a snapshot or clone of a claim, which the policy asks for.",
        "Correct what the message names: VolumeSnapshotClass with deletionPolicy Delete, StorageClass with "
        "reclaimPolicy Delete (source.copy_storage_class). Or set source.consistency to live.",
    ),
    "VolumeCopyPending": ReasonText(
        "The VolumeSnapshot of a claim is not ready yet.",
        "Look at the VolumeSnapshot's status and the driver; it fails after archive.start_seconds.",
    ),
    "VolumeCopyFailed": ReasonText(
        "The snapshot or clone of a claim was not ready in time.",
        "Look at the VolumeSnapshot's status, and at the driver and its snapshot controller.",
    ),
    "ClaimMissing": ReasonText(
        "The storage's PersistentVolumeClaim does not exist.", "Make it, or correct claim and namespace."
    ),
    "RcloneMissing": ReasonText(
        "The archive's image has no rclone.", "Set archive.image to an image with restic and rclone."
    ),
    "RemoteMissing": ReasonText(
        "rclone.conf has no such remote.",
        "Correct the remote's name, or rclone.conf in the storage's Secret.",
    ),
    "StorageUnknown": ReasonText(
        "Proxmox VE does not know the storage.", "Correct node and storage (pvesm status lists them)."
    ),
    "DeletingAllowed": ReasonText(
        "The credentials of archives can delete snapshots, and there are others for maintenance.",
        "Take the right to delete from them on the server (but for what is below locks/), then: "
        "kronkeep storage test NAME.",
    ),
    "DeletingRefused": ReasonText(
        "The maintenance credentials cannot delete snapshots, so nothing is forgotten or pruned.",
        "Give them that right on the server, or correct the Secret; then: kronkeep storage test NAME.",
    ),
    "LocksStay": ReasonText(
        "The credentials of archives cannot remove their own locks, so each archive leaves one behind.",
        "Allow them to delete below locks/ on the server; then: kronkeep storage test NAME.",
    ),
    "StoragesApart": ReasonText(
        "No pod reaches both storages: each is bound to a cluster, a namespace or a node of its own.",
        "Choose a storage for the copy that is a server (s3, sftp, rest, nfs), or one in the same place.",
    ),
    "StorageInactive": ReasonText(
        "The Proxmox VE storage is disabled or not active.", "Look at it with pvesm status."
    ),
    "StorageFull": ReasonText(
        "The storage has no space left, or its quota is used up.",
        "Shorten the retention (kronkeep edit NAMESPACE/CRONJOB), apply it (kronkeep retention "
        "NAMESPACE/CRONJOB --apply), then kronkeep storage prune NAME. Both need space for a lock and a new "
        "index only; where even that is missing, free it by other means. Restores work meanwhile.",
    ),
    "StorageReadOnly": ReasonText(
        "The storage can only be read.",
        "Give its volume or folder write access again. Restores work meanwhile.",
    ),
    "ScratchUnusable": ReasonText(
        "The disk of the Job's own node, where restic keeps temporary files, is full or cannot be written.",
        "Free space on that node, or see that the pod may write to /tmp.",
    ),
    "PermissionDenied": ReasonText(
        "A file or the repository may not be used.", "Give the archive's user that right."
    ),
    "NotKept": ReasonText(
        "The repository that was made is not there for the next container.",
        "Give the storage a place that outlasts a pod.",
    ),
    "NoFigures": ReasonText(
        "restic stats printed nothing that could be read.", "Test the storage: kronkeep storage test NAME."
    ),
    "ToolMissing": ReasonText(
        "There is no restic where the archive ran.",
        "Use an image that has it (archive.image, archive.program), or install it (apt-get install restic).",
    ),
    "VersionUnknown": ReasonText(
        "The version of restic in the archives' image could not be read.",
        "Correct archive.image and archive.program in the settings.",
    ),
    "ResticCrashed": ReasonText("restic crashed.", "Read the archive's log, and report it to restic."),
    "ResticFailed": ReasonText(
        "restic failed for a reason that kronkeep has no code for.", "Read the archive's log."
    ),
}
