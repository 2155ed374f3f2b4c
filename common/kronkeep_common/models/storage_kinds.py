"""The kinds of storages: the fields of each, and the keys of its Secret of credentials.

This is data only, for command line, terminal and daemon; the daemon's `storage_kinds` has the behaviour.
"""

from functools import cache
from typing import Annotated, Any, Literal, NamedTuple

import msgspec

from kronkeep_common.models.base import Record, Request

_FOLDER = r"^/(?!.*(^|/)\.\.(/|$)).+$"
_WORD = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"
_HOST = r"^[A-Za-z0-9]([A-Za-z0-9.:-]*[A-Za-z0-9])?$"
_BELOW = r"^(?!/)(?!.*(^|/)\.\.(/|$))[A-Za-z0-9._/ -]*$"
_URL = r"^https?://[A-Za-z0-9.:\[\]-]+(/[A-Za-z0-9._~/-]*)?$"
_QUANTITY = r"^[1-9][0-9]*(Mi|Gi|Ti|Pi|M|G|T|P)?$"

Node = Annotated[
    str, msgspec.Meta(pattern=r"^[a-z0-9.-]*$", description="the node that has it; any if empty")
]
Prefix = Annotated[str, msgspec.Meta(pattern=_BELOW, description="a folder inside, without a first /")]
Bucket = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{2,62}$",
        description="the bucket's name, 3 to 63 letters, digits, dots and hyphens",
    ),
]
Namespace = Annotated[
    str, msgspec.Meta(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", description="the claim's namespace")
]
Claim = Annotated[
    str, msgspec.Meta(pattern=r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$", description="an existing claim")
]
Size = Annotated[str, msgspec.Meta(pattern=_QUANTITY, description="the claim's size, such as 100Gi")]
AccessMode = Annotated[
    Literal["ReadWriteMany", "ReadWriteOnce"], msgspec.Meta(description="the claim's access mode")
]


class LocalSettings(Request, frozen=True, kw_only=True):
    """A folder of the nodes (hostPath)."""

    path: Annotated[str, msgspec.Meta(pattern=_FOLDER, description="an absolute folder, made if absent")]
    node: Node = ""


class NfsSettings(Request, frozen=True, kw_only=True):
    """A folder that an NFS server exports, mounted by the node's kubelet."""

    server: Annotated[str, msgspec.Meta(pattern=_HOST, description="the server's name or address")]
    path: Annotated[str, msgspec.Meta(pattern=_FOLDER, description="the exported folder")]


class PvcSettings(Request, frozen=True, kw_only=True):
    """A PersistentVolumeClaim that is there already; only its own namespace can use it."""

    claim: Claim
    namespace: Namespace


class CephSettings(Request, frozen=True, kw_only=True):
    """A claim of a Ceph StorageClass (storage_class, namespace, size) or RADOS Gateway (endpoint, bucket)."""

    storage_class: Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9.-]*$", description="of CephFS or RBD")] = ""
    namespace: Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9-]*$", description="the claim's namespace")] = ""
    size: Annotated[
        str, msgspec.Meta(pattern=f"^$|{_QUANTITY}", description="the claim's size, such as 100Gi")
    ] = ""
    access_mode: AccessMode = "ReadWriteMany"
    endpoint: Annotated[
        str, msgspec.Meta(pattern=f"^$|{_URL}", description="the gateway, https://host:port")
    ] = ""
    bucket: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9._-]*$", description="the bucket's name")] = ""
    prefix: Prefix = ""


class S3Settings(Request, frozen=True, kw_only=True):
    """A bucket of Amazon S3 or of a server that speaks S3."""

    bucket: Bucket
    endpoint: Annotated[str, msgspec.Meta(pattern=_URL, description="the server, https://host:port")] = (
        "https://s3.amazonaws.com"
    )
    prefix: Prefix = ""
    region: Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9-]*$", description="the bucket's region")] = ""
    bucket_lookup: Annotated[
        Literal["auto", "dns", "path"], msgspec.Meta(description="where the bucket's name goes in addresses")
    ] = "auto"


class SftpSettings(Request, frozen=True, kw_only=True):
    """A folder of a machine with OpenSSH."""

    host: Annotated[str, msgspec.Meta(pattern=_HOST, description="the machine's name or address")]
    user: Annotated[str, msgspec.Meta(pattern=_WORD, description="whom to log in as")]
    path: Annotated[
        str, msgspec.Meta(pattern=r"^/(?!.*(^|/)\.\.(/|$))[^\s]+$", description="an absolute folder there")
    ]
    port: Annotated[int, msgspec.Meta(ge=1, le=65535, description="the port of sshd")] = 22


class RestSettings(Request, frozen=True, kw_only=True):
    """A restic rest-server, or rclone serve restic."""

    url: Annotated[
        str, msgspec.Meta(pattern=_URL, description="the server and folder, without user and password")
    ]


class AzureSettings(Request, frozen=True, kw_only=True):
    """A container of Azure Blob Storage."""

    container: Bucket
    prefix: Prefix = ""
    endpoint_suffix: Annotated[
        str, msgspec.Meta(pattern=_HOST, description="another cloud's suffix (restic 0.15 or later)")
    ] = "core.windows.net"


class GsSettings(Request, frozen=True, kw_only=True):
    """A bucket of Google Cloud Storage."""

    bucket: Bucket
    project: Annotated[
        str, msgspec.Meta(pattern=r"^[a-z0-9:.-]*$", description="the project's id, to create a bucket")
    ] = ""
    prefix: Prefix = ""


class B2Settings(Request, frozen=True, kw_only=True):
    """A bucket of Backblaze B2."""

    bucket: Bucket
    prefix: Prefix = ""


class RcloneSettings(Request, frozen=True, kw_only=True):
    """Any remote of rclone; the archive's image must have rclone."""

    remote: Annotated[
        str, msgspec.Meta(pattern=r"^[A-Za-z0-9_.+@-]+$", description="a section of rclone.conf")
    ]
    path: Annotated[
        str,
        msgspec.Meta(pattern=r"^(?!.*(^|/)\.\.(/|$))[^\x00-\x1f$]*$", description="a folder of the remote"),
    ] = ""


class ProxmoxSettings(Request, frozen=True, kw_only=True):
    """A claim on a storage of Proxmox VE, through the StorageClass that the Proxmox CSI plugin has for it."""

    url: Annotated[
        str, msgspec.Meta(pattern=r"^https://[A-Za-z0-9.:\[\]-]+$", description="the API, https://host:8006")
    ]
    node: Annotated[str, msgspec.Meta(pattern=_WORD, description="a node of Proxmox VE that has the storage")]
    storage: Annotated[str, msgspec.Meta(pattern=_WORD, description="the storage's id in Proxmox VE")]
    fingerprint: Annotated[
        str,
        msgspec.Meta(
            pattern=r"^([0-9A-Fa-f]{2}:){31}[0-9A-Fa-f]{2}$",
            description="SHA-256 of the API's certificate, AA:BB:...",
        ),
    ]
    storage_class: Annotated[
        str, msgspec.Meta(pattern=r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$", description="its StorageClass")
    ]
    namespace: Namespace
    size: Size
    access_mode: AccessMode = "ReadWriteOnce"


class CredentialKey(Record, frozen=True, kw_only=True):
    """A key of the Secret: in the pod it is a variable of that name, or a `file`."""

    name: str
    description: str
    required: bool = True
    file: bool = False


class StorageField(Record, frozen=True, kw_only=True):
    """A field of a kind's settings; `type` is text or number, `default` None where it must be given."""

    name: str
    type: Literal["text", "number"]
    description: str
    required: bool
    default: str | int | None = None
    choices: tuple[str, ...] = ()


class StorageKind(Record, frozen=True, kw_only=True):
    """A kind: what it is, what it asks, and what the Secret named by `credentials` holds."""

    kind: str
    description: str
    fields: tuple[StorageField, ...]
    credentials: tuple[CredentialKey, ...] = ()


class KindRow(NamedTuple):
    """A row of the table: the settings' struct and the keys of the Secret."""

    settings: type[Request]
    credentials: tuple[CredentialKey, ...] = ()


def _key(name: str, description: str, *, required: bool = True, file: bool = False) -> CredentialKey:
    return CredentialKey(name=name, description=description, required=required, file=file)


_CA = _key("ca.crt", "certificates that sign the server's, in PEM", required=False, file=True)
_S3 = (
    _key("AWS_ACCESS_KEY_ID", "the access key's id"),
    _key("AWS_SECRET_ACCESS_KEY", "the access key's secret"),
    _key("AWS_SESSION_TOKEN", "the token of a temporary key", required=False),
    _CA,
)
KINDS: dict[str, KindRow] = {
    "local": KindRow(LocalSettings),
    "nfs": KindRow(NfsSettings),
    "pvc": KindRow(PvcSettings),
    "ceph": KindRow(
        CephSettings,
        tuple(msgspec.structs.replace(key, required=False) for key in _S3),
    ),
    "proxmox": KindRow(
        ProxmoxSettings,
        (
            _key("PROXMOX_TOKEN_ID", "user@realm!name of an API token with Datastore.Audit"),
            _key("PROXMOX_TOKEN_SECRET", "the token's secret"),
        ),
    ),
    "s3": KindRow(S3Settings, _S3),
    "sftp": KindRow(
        SftpSettings,
        (
            _key("ssh-privatekey", "the private key, without a passphrase", file=True),
            _key("known_hosts", "the machine's host keys (ssh-keyscan)", file=True),
        ),
    ),
    "rest": KindRow(
        RestSettings,
        (
            _key("RESTIC_REST_USERNAME", "the user", required=False),
            _key("RESTIC_REST_PASSWORD", "the user's password", required=False),
            _CA,
        ),
    ),
    "azure": KindRow(
        AzureSettings,
        (
            _key("AZURE_ACCOUNT_NAME", "the account"),
            _key("AZURE_ACCOUNT_KEY", "its key, or", required=False),
            _key("AZURE_ACCOUNT_SAS", "its shared access signature", required=False),
            _CA,
        ),
    ),
    "gs": KindRow(GsSettings, (_key("credentials.json", "the service account's key, in JSON", file=True),)),
    "b2": KindRow(
        B2Settings,
        (_key("B2_ACCOUNT_ID", "the application key's id"), _key("B2_ACCOUNT_KEY", "the application key")),
    ),
    "rclone": KindRow(
        RcloneSettings, (_key("rclone.conf", "rclone's configuration with the remote", file=True),)
    ),
}


def are_same_settings(kind: str, one: dict[str, str | int], other: dict[str, str | int]) -> bool:
    """Whether two settings of a kind are equal, whether or not defaults are written and numbers are texts."""
    row = KINDS.get(kind)
    try:
        return row is not None and _convert_settings(row, one) == _convert_settings(row, other)
    except msgspec.ValidationError:
        return one == other


def _convert_settings(row: KindRow, settings: dict[str, str | int]) -> Request:
    return msgspec.convert(settings, row.settings, strict=False)


def all_kinds() -> tuple[StorageKind, ...]:
    """Return the table of kinds in its order, as the API shows it."""
    return tuple(
        StorageKind(
            kind=kind,
            description=(row.settings.__doc__ or "").strip(),
            fields=fields_of(row.settings),
            credentials=row.credentials,
        )
        for kind, row in KINDS.items()
    )


@cache  # msgspec needs 1 ms for the schema of a kind, and each key in the line of a new storage asks for all
def fields_of(settings: type[Request]) -> tuple[StorageField, ...]:
    """Return the fields of a kind's settings."""
    schema: dict[str, Any] = msgspec.json.schema(settings)["$defs"][settings.__name__]
    return tuple(
        StorageField(
            name=name,
            type="number" if found.get("type") == "integer" else "text",
            description=found["description"],
            required=name in schema["required"],
            default=found.get("default"),
            choices=tuple(found.get("enum", ())),
        )
        for name, found in schema["properties"].items()
    )
