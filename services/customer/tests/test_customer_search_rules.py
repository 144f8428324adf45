"""What a name is found by, and how hits are ranked."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kehu_customer.search.rules import Fit, fit, name_tokens, probes


def is_candidate(query: str, name: str) -> bool:
    tokens = name_tokens(name)
    return any((all if probe.all_of else any)(token in tokens for token in probe.tokens) for probe in probes(query))


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("张伟", Fit.EXACT),
        ("張偉", Fit.EXACT),
        ("张 伟", Fit.EXACT),
        ("zhangwei", Fit.SOUND),
        ("Zhang Wei", Fit.SOUND),
        ("wei zhang", Fit.SOUND),
        ("章玮", Fit.SOUND),
        ("张wei", Fit.SOUND),
        ("zw", Fit.INITIALS),
        ("z w", Fit.INITIALS),
        ("zhang w", Fit.BEGINNING),
        ("张", Fit.BEGINNING),
        ("伟", Fit.PART),
        ("w zhang", Fit.PART),
        ("zhagnwei", Fit.TYPO),
        ("zhanwei", Fit.TYPO),
        ("zhangweii", Fit.TYPO),
        ("zhsngwei", Fit.TYPO),
    ],
)
def test_every_way_to_type_a_name_finds_it(query: str, expected: Fit) -> None:
    assert is_candidate(query, "张伟")
    assert fit(query, "张伟") is expected


@pytest.mark.parametrize("query", ["李伟", "liwei", "zl", "zhang l", "wangwei", "张三"])
def test_another_name_does_not_fit(query: str) -> None:
    assert fit(query, "张伟") is Fit.NONE


@pytest.mark.parametrize(
    ("name", "surname", "daily"),
    [("单雄信", "shan", "dan"), ("曾国藩", "zeng", "ceng"), ("仇英", "qiu", "chou"), ("解缙", "xie", "jie")],
)
def test_a_heteronym_surname_is_found_by_both_readings(name: str, surname: str, daily: str) -> None:
    for query in (surname, daily):
        assert is_candidate(query, name)
        assert fit(query, name) is Fit.BEGINNING


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("chanyu", "单于文"),
        ("moqixie", "万俟卨"),
        ("yuchigong", "尉迟恭"),
        ("lvbu", "吕布"),
        ("lubu", "吕布"),
        ("ouyang", "歐陽修"),
        ("欧阳", "歐陽修"),
        ("smith", "John Smith"),
        ("SMITH JOHN", "John Smith"),
        ("jose", "José Pérez"),
        ("华夏科技", "北京华夏科技有限公司"),
        ("huaxiakeji", "北京华夏科技有限公司"),
        ("hxkj", "北京华夏科技有限公司"),
        ("bjhx", "北京华夏科技有限公司"),
        ("张晓伟明", "张晓伟"),
        ("阿凡提江", "阿凡提·江"),
    ],
)
def test_names_of_all_kinds_are_found(query: str, name: str) -> None:
    assert is_candidate(query, name)
    assert fit(query, name) is not Fit.NONE


def test_a_personal_name_has_about_thirty_tokens() -> None:
    assert len(name_tokens("张伟")) == 26
    assert len(name_tokens("张小伟")) == 42


@pytest.mark.parametrize("query", ["", "   ", "*", "%", "'; --", "…"])
def test_what_holds_no_letter_looks_for_nothing(query: str) -> None:
    assert fit(query, "张伟") is Fit.NONE
    assert all("%" not in token for probe in probes(query) for token in probe.tokens)


@given(st.text(max_size=60))
def test_any_text_can_be_asked_and_named(text: str) -> None:
    assert isinstance(name_tokens(text), frozenset)
    assert isinstance(fit(text, "张伟"), Fit)
    assert all(probe.tokens for probe in probes(text))


@given(st.text("张伟李娜王芳刘洋陈静杨磊黄敏赵强吴军周杰", min_size=2, max_size=4))
def test_a_name_always_finds_itself(name: str) -> None:
    assert is_candidate(name, name)
    assert fit(name, name) is Fit.EXACT
