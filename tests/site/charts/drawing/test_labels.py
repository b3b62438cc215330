from itertools import combinations, product

import numpy as np

from suite.site.charts.drawing.labels import Box, Placed, Spot, name, place, point

HEIGHT = (0.0, 300.0)


def crowd(count: int) -> list[Spot]:
    rng = np.random.default_rng(0)
    places = zip(rng.uniform(0.3, 0.7, count), rng.uniform(100, 200, count), strict=True)
    return [Spot(float(x), float(y), float(y) - 8, float(y) + 8, 50) for x, y in places]


def meets(spots: list[Spot], found: list[Placed], plot: float) -> bool:
    names = [box for each in found for box in list(name(spots[each.at], each, plot))[:1]]
    points = [box for spot in spots for box in point(spot, plot)]
    pairs = [*combinations(names, 2), *product(names, points)]
    return any(overlap(one, other) for one, other in pairs)


def overlap(one: Box, other: Box) -> bool:
    across = one.left < other.right and other.left < one.right
    return across and one.top < other.bottom and other.top < one.bottom


def test_names_meet_neither_each_other_nor_points() -> None:
    spots = crowd(40)
    found = place(spots, (300.0, 600.0), HEIGHT)
    assert len(found) > 10
    assert not meets(spots, found, 300.0) and not meets(spots, found, 600.0)


def test_the_first_spots_come_first() -> None:
    spots = [Spot(0.5, 150, 150, 150, 290)] * 3
    assert next(each.at for each in place(spots, (600.0,), HEIGHT)) == 0


def test_names_stay_within_the_plot() -> None:
    spots = [Spot(0.0, 2, 2, 2, 60), Spot(1.0, 298, 298, 298, 60)]
    for each in place(spots, (300.0,), HEIGHT):
        (box, *_) = name(spots[each.at], each, 300.0)
        assert box.left >= 0 and box.right <= 300 and box.top >= 0 and box.bottom <= 300


def test_no_name_crosses_a_wall() -> None:
    spots = [Spot(0.5, 150, 150, 150, 60)]
    (found,) = place(spots, (300.0,), HEIGHT, walls=[(0.0, 150.0, 1.0, 150.0)])
    (box, *_) = name(spots[0], found, 300.0)
    assert box.bottom <= 149 or box.top >= 151


def test_kept_names_are_covered() -> None:
    spots = [Spot(0.5, 150, 150, 150, 60), Spot(0.5, 150, 150, 150, 60)]
    kept = place(spots[:1], (300.0,), HEIGHT)
    further = place(spots, (300.0,), HEIGHT, kept=kept)
    assert [each.at for each in further] == [1] and not meets(spots, [*kept, *further], 300.0)


def test_a_name_without_room_is_left_out() -> None:
    assert place([Spot(0.5, 150, 150, 150, 700)], (300.0,), HEIGHT) == []
