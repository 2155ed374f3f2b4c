"""Changes of rows, as the history writes them."""

import msgspec

from kronkeep_daemon.history.database import RowChange
from kronkeep_daemon.history.rows import row_of


def put(number: int, record_id: str, size: int = 10, table: str = "runs") -> RowChange:
    body = msgspec.json.encode({"id": record_id, "status": "failed", "text": "x" * size})
    return RowChange(table=table, number=number, id=record_id, row=row_of(number, body))
