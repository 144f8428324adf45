"""Refusals about parties."""

from __future__ import annotations

from kehu_chassis.problems import FieldProblem, ValidationProblem
from kehu_customer.identity.rules import DocumentRefused
from kehu_customer.parties.rules import FieldError, PartyRefused, ValueRefused

__all__ = ["document_problem", "party_problem", "value_problem"]

ZH = {
    "document.check_digit": "证件号码校验位错误",
    "document.malformed": "证件号码格式错误",
    "document.unknown_division": "证件号码的地区代码无效",
    "document.birth_date": "证件号码中的出生日期无效",
    "document.validity": "证件有效期自相矛盾",
    "document.kind": "该类客户不能使用此证件",
    "document.issuer": "签发机关含有无效字符",
    "document.second_resident_id": "一人只有一个居民身份证号码",
    "name.length": "姓名长度应为1至200个字符",
    "name.characters": "姓名含有无效字符",
    "contact.phone": "电话号码无效",
    "contact.email": "电子邮箱无效",
    "contact.wechat": "微信号无效",
    "contact.malformed": "内容为空或含有控制字符",
    "contact.division_code": "行政区划代码应为六位数字",
    "party.birth_date": "日期不可能",
    "party.birth_date_differs": "与身份证上的出生日期不一致",
    "party.gender": "只有自然人有性别",
    "party.gender_differs": "与身份证上的性别不一致",
    "party.customer_since": "日期在未来",
}


def _field(error: FieldError) -> FieldProblem:
    problem: FieldProblem = {"pointer": error.pointer, "code": error.code, "detail": error.detail}
    if error.code in ZH:
        problem["detail_zh"] = ZH[error.code]
    return problem


def party_problem(refused: PartyRefused) -> ValidationProblem:
    """The answer to a draft that cannot be taken."""
    return ValidationProblem(errors=[_field(error) for error in refused.errors])


def value_problem(refused: ValueRefused, pointer: str) -> ValidationProblem:
    """The answer to one value that cannot be right."""
    return ValidationProblem(errors=[_field(FieldError(pointer, refused.code, refused.detail))])


def document_problem(refused: DocumentRefused) -> ValidationProblem:
    """The answer to a document that cannot be right."""
    return ValidationProblem(errors=[_field(FieldError(f"/{refused.field}", refused.code, refused.detail))])
