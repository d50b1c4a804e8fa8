"""The imports that ordinary models make: classes and rebuilding functions that only put data back together.

A library is never ordinary as a whole: numpy and torch hold functions that load files or run text, and unpickling
scipy's distributions runs a text from the pickle.
"""

import re

EXACT: dict[str, set[str]] = {
    "builtins": {
        *(
            "bool",
            "int",
            "float",
            "complex",
            "str",
            "bytes",
            "bytearray",
            "list",
            "tuple",
            "set",
            "frozenset",
        ),
        *("dict", "slice", "range", "object", "Ellipsis", "NotImplemented"),
    },
    "copyreg": {"_reconstructor", "__newobj__", "__newobj_ex__"},
    "_codecs": {"encode"},
    "collections": {"OrderedDict", "defaultdict", "Counter", "deque"},
    "datetime": {"datetime", "date", "time", "timedelta", "timezone"},
    "decimal": {"Decimal"},
    "fractions": {"Fraction"},
    "joblib.numpy_pickle": {"NumpyArrayWrapper", "NDArrayWrapper"},
    "numpy": {
        *("dtype", "ndarray", "matrix", "recarray", "bool_", "bool", "str_", "bytes_", "void", "datetime64"),
        *("timedelta64", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "intp"),
        *("float16", "float32", "float64", "longdouble", "complex64", "complex128"),
        *(
            "exp",
            "exp2",
            "expm1",
            "log",
            "log2",
            "log10",
            "log1p",
            "sqrt",
            "square",
            "cbrt",
            "abs",
            "absolute",
        ),
        *("sin", "cos", "tan", "tanh", "sign", "add", "subtract", "multiply", "divide", "maximum", "minimum"),
        *("mean", "median", "sum", "nan_to_num", "isnan", "ravel", "reshape", "squeeze"),
    },
    "numpy.ma": {"MaskedArray"},
    "numpy.ma.core": {"_mareconstruct", "MaskedArray"},
    "pandas._libs.arrays": {"__pyx_unpickle_NDArrayBacked"},
    "pandas._libs.internals": {"_unpickle_block"},
    "pandas._libs.tslibs.timestamps": {"_unpickle_timestamp"},
    "pandas.core.indexes.base": {"_new_Index"},
    "pyarrow.lib": {
        "_restore_array",
        "py_buffer",
        "type_for_alias",
    },  # columns of text, where pyarrow is there
    "scipy.spatial._ckdtree": {"cKDTree"},
    "scipy.spatial._kdtree": {"KDTree"},
    "scipy.interpolate._interpolate": {"interp1d"},
    "torch": {
        "Size",
        "device",
        "Tensor",
        "bfloat16",
        "float16",
        "float32",
        "float64",
        "int32",
        "int64",
        "uint8",
        "bool",
    },
    "torch._utils": {
        *(
            "_rebuild_tensor",
            "_rebuild_tensor_v2",
            "_rebuild_tensor_v3",
            "_rebuild_parameter",
            "_rebuild_qtensor",
        ),
        *("_rebuild_sparse_tensor", "_rebuild_device_tensor_from_numpy"),
    },
    "torch.nn.parameter": {"Parameter", "Buffer"},
    "torch.storage": {"TypedStorage", "UntypedStorage"},
    "xgboost.core": {"Booster"},
    "xgboost.compat": {"XGBoostLabelEncoder"},
    "lightgbm.basic": {"Booster"},
    "catboost.core": {"CatBoostClassifier", "CatBoostRegressor", "CatBoostRanker", "CatBoost"},
}

CLASS = r"_?[A-Z]\w*"
PATTERNS = [
    re.compile(each)
    for each in (
        r"numpy\._?core\.multiarray (_reconstruct|scalar)",
        r"numpy\._?core\.(numeric _frombuffer|_internal _reconstruct)",
        r"numpy\.matrixlib\.defmatrix matrix",
        r"numpy\.random\._pickle __(bit_generator|generator|randomstate)_ctor",
        r"numpy\.random\.(_mt19937|_pcg64|_philox|_sfc64|mtrand|_generator|bit_generator) "
        rf"({CLASS}|__pyx_unpickle_SeedSequence)",
        r"pandas (Series|DataFrame|(Range|Multi|Datetime)?Index|Categorical\w*|\w+Dtype|Time(stamp|delta)|Interval\w*)",
        rf"pandas\.(arrays|core\.(frame|series|dtypes\.\w+|arrays(\.\w+)*|indexes\.\w+|internals\.\w+)) {CLASS}",
        r"scipy\.sparse\._?(csr|csc|coo|bsr|dia|dok|lil) (csr|csc|coo|bsr|dia|dok|lil)_(matrix|array)",
        rf"sklearn(\.(?!externals|datasets|utils|tests|conftest|experimental)\w+)+ {CLASS}",
        rf"sklearn\.utils\.(_bunch|_tags|_random|deprecation|metaestimators|_metadata_requests) {CLASS}",
        r"sklearn(\.\w+)* (__pyx_unpickle_\w+|newObj)",
        r"sklearn\.metrics\.(_scorer|_classification|_regression|_ranking) \w+",
        r"sklearn\.feature_selection\._univariate_selection (f_classif|f_regression|chi2)",
        rf"(xgboost|lightgbm)\.sklearn {CLASS}",
        r"torch \w+Storage",
        rf"torch\.nn\.modules(\.\w+)+ {CLASS}",
    )
]


def is_ordinary(module: str, name: str) -> bool:
    """Whether ordinary models import this, and nothing bad is known to come of it whatever it is called with."""
    if name in EXACT.get(module, ()):
        return True
    return any(each.fullmatch(f"{module} {name}") for each in PATTERNS)
