"""The night: a timeline of CronJobs, as pure functions from records to lines of signs."""
