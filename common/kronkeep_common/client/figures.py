"""The client's call about figures."""

from kronkeep_common import api
from kronkeep_common.client.connection import Connection
from kronkeep_common.models.figures import Figures, FigureSubject


class FigureCalls:
    """`client.figures`: sums of runs and backups over days and weeks."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def list(
        self,
        by: FigureSubject = "namespace",
        days: int | None = None,
        period: str | None = None,
        namespace: str | None = None,
        cronjob_id: str | None = None,
    ) -> api.ListOf[Figures]:
        """Return the sums of the last days (90), as one (`total`) or by `day` or `week`."""
        query = {
            "by": by,
            "days": days,
            "period": period,
            "namespace": namespace,
            "cronjob_id": cronjob_id,
            "cluster": self._connection.cluster,
        }
        return await self._connection.get("/v1/figures", api.ListOf[Figures], query)
