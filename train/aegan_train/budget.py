"""The learning rate, and how many epochs a training takes: fewer than `n_epochs` where its time is short or nothing changes any more.

Everything is computed from the history, so that a training that was interrupted goes on as if it had not been.
"""

import math
from collections.abc import Mapping, Sequence

import torch
from torch.nn.functional import mse_loss

from aegan_train.checkpoint import Training
from aegan_train.config import TrainConfig
from aegan_train.networks.fast_networks import generate, space_to_depth
from aegan_train.sampler import SegmentSampler

LEAST_EPOCHS = 3  # however short the time is: before this a network is as good as untrained
SETTLED = 0.01  # relative change of the held-out error that is none
N_COMPARED = 128  # held-out segments

History = Sequence[Mapping[str, float]]


def plan_epochs(config: TrainConfig, history: History) -> int:
    """The number of epochs after which the training ends, by what is known now."""
    return min(config.n_epochs, count_in_time(config, history), count_until_settled(config, history))


def explain_end(config: TrainConfig, history: History) -> str:
    """Why a training ended before `n_epochs` epochs; empty where it did not."""
    if len(history) >= config.n_epochs:
        return ""
    if len(history) >= count_until_settled(config, history):
        return f"the error on held-out sound no longer changes: ended after epoch {len(history)} of {config.n_epochs}"
    return f"max_minutes {config.max_minutes:g}: ended after epoch {len(history)} of {config.n_epochs}; a faster computer trains longer"


def find_learning_rate(config: TrainConfig, epoch: int, n_epochs: int) -> float:
    """The learning rate of an epoch of `n_epochs`; `epoch` counts from 0.

    Source: I. Loshchilov, F. Hutter, SGDR, 2017, equation 5, without restarts.
    """
    if config.schedule == "constant":
        return config.learning_rate
    return config.learning_rate * 0.5 * (1 + math.cos(math.pi * epoch / n_epochs))


def count_in_time(config: TrainConfig, history: History) -> int:
    """The epochs that fit into `max_minutes`, at least LEAST_EPOCHS, if each takes as long as the latest."""
    if config.max_minutes is None or not history:
        return config.n_epochs
    spent = [0.0, *(each["minutes"] for each in history)]
    n_more = int((config.max_minutes - spent[-1]) / max(spent[-1] - spent[-2], 1e-9))
    return max(LEAST_EPOCHS, len(history) + max(0, n_more))


def count_until_settled(config: TrainConfig, history: History) -> int:
    """`patience` epochs after the first in which the held-out error had changed by less than SETTLED since `patience` epochs before."""
    if config.patience is None:
        return config.n_epochs
    errors = [each["held_out"] for each in history]
    for epoch in range(config.patience, len(errors)):
        if abs(errors[epoch] - errors[epoch - config.patience]) < SETTLED * errors[epoch - config.patience]:
            return epoch + 1 + config.patience
    return config.n_epochs


@torch.no_grad()
def measure_error(training: Training, held_out: SegmentSampler) -> float:
    """Mean squared reconstruction error of at most N_COMPARED segments of held-out sound, always the same ones."""
    starts = held_out.spread(N_COMPARED)
    training.generator.eval()
    x = space_to_depth(held_out.slice(starts))
    return float(mse_loss(generate(training.generator, x), x))
