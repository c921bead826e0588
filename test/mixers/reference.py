"""Float64 semantics of the sequence mixers, one loop per step, written from the formulas of dialects/Ssm/MixerOps.td.

Every function takes its operands expanded over the iteration dims it is documented to be over, p as one leading axis.
"""
import numpy as np


def times(length, reverse):
    return range(length - 1, -1, -1) if reverse else range(length)


def selective_scan(a, u, c, initial, *, reverse=False, read_before=False):
    """a, u, c: (p, t, n) (c None for the state itself, n = 1); initial (p, n). Complex numbers give the real part."""
    p, length, n = u.shape
    h = np.array(initial, dtype=u.dtype)
    out = np.zeros((p, length))
    for t in times(length, reverse):
        before = h
        h = a[:, t] * h + u[:, t]
        read = before if read_before else h
        out[:, t] = np.real((c[:, t] * read).sum(-1)) if c is not None else read[:, 0]
    return out, h


def semiseparable(q, k, v, log_decay=None, left=None, right=None, bonus=None, log_gate=None, initial=None, *, reverse=False,
                  read_before=False):
    """q, k, log_decay, left, right, bonus: (p, t, k); v: (p, t, v); log_gate: (p, t); initial (p, k, v)."""
    heads, length, keys = q.shape
    state = np.zeros((heads, keys, v.shape[-1])) if initial is None else np.array(initial, np.float64)
    out, scales = np.zeros(v.shape), np.zeros((heads, length))
    scale = np.full(heads, -np.inf if initial is None else 0.0)
    with np.errstate(invalid="ignore"):
        for t in times(length, reverse):
            decay = np.exp(log_decay[:, t]) if log_decay is not None else np.ones((heads, keys))
            enters = np.ones(heads)
            if log_gate is not None:
                carried = scale + (log_decay[:, t, 0] if log_decay is not None else 0)
                bound = np.maximum(carried, log_gate[:, t])
                decay = np.where(np.isneginf(bound), 0, np.exp(carried - bound))[:, None] * np.ones((heads, keys))
                enters = np.where(np.isneginf(bound), 0, np.exp(log_gate[:, t] - bound))
                scale = scales[:, t] = bound
            before = state
            state = decay[..., None] * state
            if left is not None:
                state = state + left[:, t, :, None] * np.einsum("pk,pkv->pv", right[:, t], before)[:, None, :]
            state = state + (enters[:, None] * k[:, t])[:, :, None] * v[:, t, None, :]
            out[:, t] = np.einsum("pk,pkv->pv", q[:, t], before if read_before else state)
            if bonus is not None:
                out[:, t] += (bonus[:, t] * q[:, t] * k[:, t]).sum(-1)[:, None] * v[:, t]
    return out, state, scales


def attention(q, k, v, scale, score, zero_rows=False):
    """q (p, i, e), k (p, j, e), v (p, j, f); score maps an array (p, i, j) to one."""
    s = score(scale * np.einsum("pie,pje->pij", q, k))
    with np.errstate(invalid="ignore", divide="ignore"):
        top = s.max(-1, keepdims=True, initial=-np.inf)
        weights = np.exp(s - np.where(np.isneginf(top), 0, top))
        total = weights.sum(-1, keepdims=True)
        lse = (np.log(total) + np.where(np.isneginf(top), 0, top))[..., 0]
        weights = weights / total
        if zero_rows:
            weights = np.where(total == 0, 0, weights)
    return np.einsum("pij,pjf->pif", weights, v), lse, weights


def causal_conv(x, w, bias, history, *, reverse=False):
    """x (p, t), w (p, j), bias (p), history (p, j - 1)."""
    taps = w.shape[1]
    if reverse:
        x = x[:, ::-1]
    before = np.zeros((x.shape[0], taps - 1)) if history is None else history
    line = np.concatenate([before, x], 1)
    out = np.zeros(x.shape)
    for t in range(x.shape[1]):
        out[:, t] = (w * line[:, t:t + taps]).sum(1) + (0 if bias is None else bias)
    return out[:, ::-1] if reverse else out, line[:, line.shape[1] - (taps - 1):]


def long_conv(x, kernel, *, reverse=False):
    """x (p, t), kernel (p, j)."""
    if reverse:
        x = x[:, ::-1]
    out = np.zeros(x.shape)
    for t in range(x.shape[1]):
        for j in range(min(t + 1, kernel.shape[1])):
            out[:, t] += kernel[:, j] * x[:, t - j]
    return out[:, ::-1] if reverse else out


def scan(xs, combiner, initial, identity, *, reverse=False, exclusive=False):
    """xs: m arrays (p, t, q); initial: m arrays (p, q) or None."""
    p, length, q = xs[0].shape
    now = [np.full((p, q), i, x.dtype) for i, x in zip(identity, xs)] if initial is None else list(initial)
    outs = [np.zeros(x.shape, x.dtype) for x in xs]
    for t in times(length, reverse):
        after = combiner(*now, *[x[:, t] for x in xs])
        for o, y in zip(outs, now if exclusive else after):
            o[:, t] = y
        now = after
    return outs, now
