"""What the folders of sounds hold that the benchmarks of learning are made of."""

from __future__ import annotations

import csv
import wave
from pathlib import Path

import numpy as np
import pytest

from benchmarks.learning import sound_folders as folders
