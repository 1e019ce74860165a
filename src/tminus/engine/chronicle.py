"""Keeps the figures of a launch by the minute, in memory and in the history. Judges nothing."""

from collections import deque
from collections.abc import Sequence
from dataclasses import replace

from tminus.domain.launch.phase import TRIAL, Phase
from tminus.domain.launch.state import LaunchState
from tminus.domain.plan.plan import FULL_BP
from tminus.domain.watch.counts import Sample
from tminus.domain.watch.history import MOST_POINTS, POINT_MS, Point, gauges_in, point_of
from tminus.domain.watch.measurement import Measurements
from tminus.engine.ports import Ports
from tminus.ports.fault import PortFault


class Chronicle:
    """One launch's minutes, as one driver sees them."""

    def __init__(self, ports: Ports, launch: str) -> None:
        """Starts empty; what the history has is fetched at the first look."""
        self._ports = ports
        self._launch = launch
        self._points: deque[Point] | None = None
        self._ended_ms = 0

    def points(
        self,
        state: LaunchState,
        now_ms: int,
        samples: Sequence[Sample],
        measurements: Measurements | None = None,
    ) -> Sequence[Point]:
        """Every minute since traffic began to move, the one that has just ended included."""
        if state.cutover_ms is None or (state.phase not in TRIAL and state.phase is not Phase.WATCHING):
            return ()
        if self._points is None:
            self._points = self._kept(state.cutover_ms)
        end_ms = now_ms // POINT_MS * POINT_MS
        if end_ms > self._ended_ms:
            self._ended_ms = end_ms
            share_bp = FULL_BP if state.promoted else state.share_bp
            point = point_of(samples, end_ms, state.generation, share_bp)
            if point is not None:
                self._add(self._points, replace(point, gauges=gauges_in(measurements or {}, end_ms)))
        return self._points

    def _kept(self, since_ms: int) -> deque[Point]:
        try:
            kept = self._ports.history.points(self._launch, since_ms)
        except PortFault:
            kept = ()  # what is usual is learnt again
        self._ended_ms = kept[-1].at_ms if kept else 0
        return deque(kept, maxlen=MOST_POINTS)

    def _add(self, points: deque[Point], point: Point) -> None:
        points.append(point)
        try:
            self._ports.history.add_point(self._launch, point)
        except PortFault:
            return  # a chart has a gap; what is in memory is what is judged
