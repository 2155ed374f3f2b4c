"""Answers before a cluster has been listed for the first time."""

from pathlib import Path

import pytest
from tests.integration.http.many import CLUSTER, many

from kronkeep_common.errors import CronJobNotFound, Unavailable
from kronkeep_daemon.kube.objects import CronJobRef


async def test_nobody_says_that_a_cronjob_is_not_there_before_its_cluster_was_listed(tmp_path: Path) -> None:
    async with many(tmp_path / "h", 2, 1) as services:
        assert services.extended.get(CronJobRef(CLUSTER, "ns-1", "job-1")).name == "job-1"
        other = CronJobRef(CLUSTER, "ns-1", "other")
        with pytest.raises(Unavailable, match="ns-1/other may be there") as early:
            services.cronjobs.resolve("ns-1", "other")
        assert early.value.retryable
        with pytest.raises(Unavailable, match="ns-1/other may be there"):
            services.extended.get(other)
        services.cronjobs.recorders[CLUSTER].synced.set()
        with pytest.raises(CronJobNotFound):
            services.cronjobs.resolve("ns-1", "other")
        with pytest.raises(CronJobNotFound):
            services.extended.get(other)
