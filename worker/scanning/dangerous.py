"""The imports that reach out of a model: programs, files, network, other code, the interpreter itself."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Modules, with all that is below them.
DANGEROUS_ROOTS = _words("""
    os posix nt subprocess _posixsubprocess sys _sys commands popen2 pty tty socket _socket ssl http httplib urllib
    urllib2 urllib3 requests httpx aiohttp ftplib smtplib poplib imaplib telnetlib nntplib xmlrpc socketserver asyncio
    multiprocessing concurrent threading _thread signal ctypes _ctypes cffi importlib _frozen_importlib
    _frozen_importlib_external imp _imp pkgutil zipimport runpy code codeop marshal pickle _pickle cPickle dill._dill
    shelve bdb pdb cProfile profile timeit trace doctest unittest test pydoc webbrowser shutil tempfile platform
    inspect gc site atexit mmap fileinput linecache glob tarfile zipfile sqlite3 _sqlite3 dbm distutils setuptools
    pip ensurepip venv idlelib lib2to3 py_compile compileall logging syslog wsgiref turtle paramiko fabric invoke sh
    pexpect plumbum fickling picklescan modelscan modelaudit hopyard worker django
    numpy.f2py numpy.distutils numpy.testing numpy.ctypeslib torch.hub torch.jit torch._dynamo torch._inductor
    torch.package torch.utils.cpp_extension torch.utils.collect_env torch.utils.bottleneck torch.distributed
    pandas.io pandas.core.computation joblib.parallel sklearn.utils._testing
""")

# The harmful names of modules that are harmless otherwise.
DANGEROUS_NAMES = _words("""
    io.open io.open_code io.FileIO _io.open _io.open_code _io.FileIO codecs.open operator.attrgetter
    operator.itemgetter operator.methodcaller operator.call _operator.attrgetter _operator.itemgetter
    _operator.methodcaller _operator.call functools.partial functools.partialmethod functools.reduce
    _functools.partial _functools.reduce types.CodeType types.FunctionType types.LambdaType types.MethodType
    types.ModuleType types.coroutine numpy.load numpy.loadtxt numpy.genfromtxt numpy.fromfile numpy.memmap
    numpy.save numpy.savetxt torch.load torch.save torch.compile torch.serialization.load
    torch.storage._load_from_bytes joblib.load joblib.dump joblib.numpy_pickle.load pandas.read_pickle pandas.eval
    keras.models.load_model tensorflow.keras.models.load_model tensorflow.load_library tensorflow.load_op_library
    tensorflow.saved_model.load
""")

# Names that are harmful whatever module they come from.
DANGEROUS_WORDS = _words("""
    eval exec execfile compile system popen spawn spawnl spawnv fork execv execve Popen getoutput getstatusoutput
    check_output check_call run_code runcode runstring runsource load_module load_library import_module
""")
