"""How Chinese names are read: surnames with a reading of their own, characters with two, and all syllables."""

from __future__ import annotations

from typing import Final

__all__ = ["COMPOUND_SURNAMES", "OTHER_READINGS", "SURNAME_READINGS", "SYLLABLES"]

# Characters that are read otherwise as a surname than elsewhere. Both readings can be searched.
SURNAME_READINGS: Final = {
    "单": "shan", "曾": "zeng", "仇": "qiu", "解": "xie", "查": "zha", "任": "ren", "区": "ou", "朴": "piao", "盖": "ge",
    "缪": "miao", "乐": "yue", "繁": "po", "种": "chong", "员": "yun", "尉": "wei", "覃": "qin", "纪": "ji", "华": "hua",
    "葛": "ge", "宁": "ning", "逄": "pang", "黑": "he", "盛": "sheng", "燕": "yan", "翟": "zhai", "晁": "chao", "召": "shao",
    "折": "she", "祭": "zhai", "秘": "bi", "洗": "xian", "冼": "xian", "么": "yao", "哈": "ha", "曲": "qu", "句": "gou",
    "牟": "mu", "褚": "chu", "车": "che", "那": "na", "适": "kuo", "郇": "xun", "隗": "kui", "戏": "xi", "万": "wan",
    "沈": "shen", "宿": "su", "参": "shen", "长": "zhang", "石": "shi", "阚": "kan", "撒": "sa", "洪": "hong", "过": "guo",
}  # fmt: skip
COMPOUND_SURNAMES: Final = {
    "单于": ("chan", "yu"), "万俟": ("mo", "qi"), "尉迟": ("yu", "chi"), "长孙": ("zhang", "sun"),
    "澹台": ("tan", "tai"), "令狐": ("ling", "hu"), "宰父": ("zai", "fu"), "鲜于": ("xian", "yu"),
    "闾丘": ("lv", "qiu"), "亓官": ("qi", "guan"),
}  # fmt: skip
# Characters of given names that people read in two ways.
OTHER_READINGS: Final = {
    "乐": "yue", "茜": "xi", "晟": "cheng", "柏": "bo", "朝": "zhao", "行": "hang", "重": "zhong", "长": "zhang", "盛": "cheng",
    "传": "zhuan", "藏": "cang", "都": "dou", "露": "lou", "省": "xing", "泊": "po",
    "单": "shan", "曾": "zeng", "解": "xie", "仇": "qiu", "查": "zha",
}  # fmt: skip

# Every syllable of the standard language, without tones; ü is typed as v and as u.
SYLLABLES: Final = frozenset(
    {
        "a", "ai", "an", "ang", "ao", "ba", "bai", "ban", "bang", "bao", "bei", "ben", "beng", "bi", "bian", "biao",
        "bie", "bin", "bing", "bo", "bu", "ca", "cai", "can", "cang", "cao", "ce", "cen", "ceng", "cha", "chai", "chan",
        "chang", "chao", "che", "chen", "cheng", "chi", "chong", "chou", "chu", "chua", "chuai", "chuan", "chuang",
        "chui", "chun", "chuo", "ci", "cong", "cou", "cu", "cuan", "cui", "cun", "cuo", "da", "dai", "dan", "dang",
        "dao", "de", "den", "deng", "di", "dian", "diao", "die", "ding", "diu", "dong", "dou", "du", "duan", "dui",
        "dun", "duo", "e", "ei", "en", "eng", "er", "fa", "fan", "fang", "fei", "fen", "feng", "fiao", "fo", "fou",
        "fu", "ga", "gai", "gan", "gang", "gao", "ge", "gei", "gen", "geng", "gong", "gou", "gu", "gua", "guai", "guan",
        "guang", "gui", "gun", "guo", "ha", "hai", "han", "hang", "hao", "he", "hei", "hen", "heng", "hong", "hou",
        "hu", "hua", "huai", "huan", "huang", "hui", "hun", "huo", "ji", "jia", "jian", "jiang", "jiao", "jie", "jin",
        "jing", "jiong", "jiu", "ju", "juan", "jue", "jun", "ka", "kai", "kan", "kang", "kao", "ke", "ken", "keng",
        "kong", "kou", "ku", "kua", "kuai", "kuan", "kuang", "kui", "kun", "kuo", "la", "lai", "lan", "lang", "lao",
        "le", "lei", "leng", "li", "lia", "lian", "liang", "liao", "lie", "lin", "ling", "liu", "lo", "long", "lou",
        "lu", "luan", "lue", "lun", "luo", "lv", "lve", "ma", "mai", "man", "mang", "mao", "me", "mei", "men", "meng",
        "mi", "mian", "miao", "mie", "min", "ming", "miu", "mo", "mou", "mu", "na", "nai", "nan", "nang", "nao", "ne",
        "nei", "nen", "neng", "ni", "nian", "niang", "niao", "nie", "nin", "ning", "niu", "nong", "nou", "nu", "nuan",
        "nue", "nun", "nuo", "nv", "nve", "o", "ou", "pa", "pai", "pan", "pang", "pao", "pei", "pen", "peng", "pi",
        "pian", "piao", "pie", "pin", "ping", "po", "pou", "pu", "qi", "qia", "qian", "qiang", "qiao", "qie", "qin",
        "qing", "qiong", "qiu", "qu", "quan", "que", "qun", "ran", "rang", "rao", "re", "ren", "reng", "ri", "rong",
        "rou", "ru", "rua", "ruan", "rui", "run", "ruo", "sa", "sai", "san", "sang", "sao", "se", "sen", "seng", "sha",
        "shai", "shan", "shang", "shao", "she", "shen", "sheng", "shi", "shou", "shu", "shua", "shuai", "shuan",
        "shuang", "shui", "shun", "shuo", "si", "song", "sou", "su", "suan", "sui", "sun", "suo", "ta", "tai", "tan",
        "tang", "tao", "te", "teng", "ti", "tian", "tiao", "tie", "ting", "tong", "tou", "tu", "tuan", "tui", "tun",
        "tuo", "wa", "wai", "wan", "wang", "wei", "wen", "weng", "wo", "wu", "xi", "xia", "xian", "xiang", "xiao",
        "xie", "xin", "xing", "xiong", "xiu", "xu", "xuan", "xue", "xun", "ya", "yan", "yang", "yao", "ye", "yi", "yin",
        "ying", "yo", "yong", "you", "yu", "yuan", "yue", "yun", "za", "zai", "zan", "zang", "zao", "ze", "zei", "zen",
        "zeng", "zha", "zhai", "zhan", "zhang", "zhao", "zhe", "zhen", "zheng", "zhi", "zhong", "zhou", "zhu", "zhua",
        "zhuai", "zhuan", "zhuang", "zhui", "zhun", "zhuo", "zi", "zong", "zou", "zu", "zuan", "zui", "zun", "zuo",
    }
)  # fmt: skip
