"""The Celery app of the workers. Its parent process never imports TensorFlow.

Celery delivers hints and manages processes. Work is claimed from Postgres. So the app needs no
result backend, no late acknowledgement, no remote control and no events.
"""

from typing import cast

from celery import Celery

from service.hints import HOUSEKEEPING, SWEEP, WEBHOOKS, queue_of
from service.settings import Settings
from worker.child.devices import discover, slots_of
from worker.child.kernel_memory import available


def make_app(settings: Settings) -> Celery:
    """The app of one machine, with its queues and its number of processes."""
    devices = discover()
    pools = settings.worker_pools or (("gpu",) if devices else (settings.default_pool,))
    app = Celery("lth", broker=settings.broker_url, include=["worker.process.tasks"])
    app.conf.update(
        accept_content=["json"],
        task_serializer="json",
        task_ignore_result=True,
        task_acks_late=False,
        task_create_missing_queues=True,
        worker_pool="prefork",
        worker_pool_start_method="spawn",
        worker_concurrency=slots_of(
            settings.worker_processes, devices, settings.machine_memory or available()
        ),
        worker_prefetch_multiplier=1,
        worker_proc_alive_timeout=300,
        worker_enable_remote_control=False,
        worker_send_task_events=False,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        task_default_queue=queue_of(pools[0]),
        task_queues={
            queue_of(pool): {"exchange": "", "routing_key": queue_of(pool)} for pool in pools
        },
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_transport_options={
            "socket_connect_timeout": 5,
            "socket_timeout": 30,
            "socket_keepalive": True,
            "health_check_interval": 10,
        },
        beat_scheduler="worker.beat.beat:InProcessScheduler",
        beat_schedule={
            "sweep": {"task": SWEEP, "schedule": settings.sweep_seconds},
            "webhooks": {"task": WEBHOOKS, "schedule": settings.webhook_seconds},
            "housekeeping": {"task": HOUSEKEEPING, "schedule": settings.housekeeping_seconds},
        },
        beat_max_loop_interval=settings.sweep_seconds,
    )
    app.conf["lth_pools"] = list(pools)
    steps = cast(dict[str, set[str]], app.steps)
    steps["worker"].add("worker.process.parent:ChildWatcher")
    return app


app = make_app(Settings())
