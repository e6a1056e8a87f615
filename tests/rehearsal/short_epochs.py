"""A pytest plugin for sweeps in processes of their own: epochs of few images. ``-p tests.rehearsal.short_epochs``."""

from bench_core.workloads.pipelines import epoch
from tests.rehearsal.rehearse import IMAGES

epoch.IMAGES = IMAGES
