from bench_core.analysis.best import best_of_each

ITEMS = [("b", 3), ("a", 2), ("b", 1), ("a", 2), ("b", 1)]


def test_each_group_has_its_item_of_lowest_rank_and_of_equal_ones_the_first():
    best = best_of_each(enumerate(ITEMS), key=lambda item: item[1][0], rank=lambda item: item[1][1])
    assert list(best.items()) == [("b", (2, ("b", 1))), ("a", (1, ("a", 2)))]


def test_without_items_there_is_no_group():
    assert best_of_each([], key=len, rank=len) == {}
