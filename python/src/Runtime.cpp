//===- Runtime.cpp - compiled libraries in Python --------------------------===//
// Opens a library with dlopen and runs it on arrays that speak DLPack. Types that DLPack or NumPy do not name travel as
// (array of bytes, ONNX number of the type).
//===----------------------------------------------------------------------===//
#include "ssm-mlir-c/model.h"
#include <cstring>
#include <dlfcn.h>
#include <memory>
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>
#include <string>
#include <vector>

namespace nb = nanobind;

namespace {
using Input = nb::ndarray<nb::ro>;

/// What ssm_last_error said, with the exit status that ssm-run would give.
struct Failure : std::runtime_error {
  Failure(int32_t code, const std::string &message) : std::runtime_error(message), code(code) {}
  int32_t code;
};

struct DlType {
  uint8_t code, bits;
};

/// Codes of DLPack 1.1 by ONNX number; bits 0 where DLPack has no type.
constexpr DlType kDlTypes[] = {{0, 0},  {2, 32}, {1, 8},  {0, 8},  {1, 16}, {0, 16}, {0, 32},  {0, 64}, {0, 0},
                               {6, 8},  {2, 16}, {2, 64}, {1, 32}, {1, 64}, {5, 64}, {5, 128}, {4, 16}, {10, 8},
                               {11, 8}, {12, 8}, {13, 8}, {0, 0},  {0, 0},  {0, 0},  {14, 8},  {0, 0},  {0, 0}};
constexpr int64_t kBytes[] = {0, 4, 1, 1, 2, 2, 4, 8, 0, 1, 2, 8, 4, 8, 8, 16, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
constexpr int32_t kNumTypes = sizeof kBytes / sizeof *kBytes;

ssm_dtype onnxType(nb::dlpack::dtype type) {
  for (int32_t i = 0; i < kNumTypes; ++i)
    if (kDlTypes[i].bits == type.bits && kDlTypes[i].code == type.code && type.lanes == 1 && kDlTypes[i].bits)
      return i;
  return 0;
}

/// One call's inputs: values, and what keeps their memory alive.
struct Inputs {
  std::vector<Input> arrays;
  std::vector<std::unique_ptr<char[]>> copies;
  std::vector<std::vector<ssm_value>> sequences;
};

bool isContiguous(const Input &a) {
  int64_t stride = 1;
  for (size_t i = a.ndim(); i-- > 0;) {
    if (a.shape(i) > 1 && a.stride(i) != stride)
      return false;
    stride *= int64_t(a.shape(i));
  }
  return true;
}

char *copyContiguous(const Input &a, Inputs &keep) {
  size_t bytes = a.itemsize(), count = a.size();
  keep.copies.emplace_back(new char[count * bytes + 1]);
  char *to = keep.copies.back().get();
  std::vector<size_t> index(a.ndim(), 0);
  for (size_t i = 0; i < count; ++i) {
    int64_t offset = 0;
    for (size_t k = 0; k < a.ndim(); ++k)
      offset += int64_t(index[k]) * a.stride(k);
    std::memcpy(to + i * bytes, static_cast<const char *>(a.data()) + offset * int64_t(bytes), bytes);
    for (size_t k = a.ndim(); k-- > 0 && ++index[k] == a.shape(k);)
      index[k] = 0;
  }
  return to;
}

ssm_value tensorOf(nb::handle object, const std::string &name, Inputs &keep) {
  ssm_dtype dtype = -1;
  if (nb::isinstance<nb::tuple>(object)) {
    nb::tuple pair = nb::borrow<nb::tuple>(object);
    dtype = nb::cast<int>(pair[1]);
    keep.arrays.push_back(nb::cast<Input>(pair[0]));
  } else {
    Input array;
    if (!nb::try_cast(object, array))
      throw Failure(1, "input '" + name + "': got a " + nb::cast<std::string>(nb::str(object.type().attr("__name__"))) +
                           ", expected an array");
    keep.arrays.push_back(std::move(array));
  }
  const Input &a = keep.arrays.back();
  if (a.device_type() != nb::device::cpu::value)
    throw Failure(1, "input '" + name + "': lies on a device of type " + std::to_string(a.device_type()) +
                         ", expected the CPU");
  if (a.ndim() > SSM_MAX_RANK)
    throw Failure(1, "input '" + name + "': rank is " + std::to_string(a.ndim()) + ", at most 16 is possible");
  ssm_value v = {};
  v.kind = SSM_TENSOR;
  v.dtype = dtype >= 0 ? dtype : onnxType(a.dtype());
  v.rank = int32_t(a.ndim());
  for (size_t i = 0; i < a.ndim(); ++i)
    v.shape[i] = int64_t(a.shape(i));
  v.data = isContiguous(a) ? const_cast<void *>(static_cast<const void *>(a.data())) : copyContiguous(a, keep);
  static char nothing;
  if (!v.data)
    v.data = a.size() ? nullptr : &nothing;
  return v;
}

ssm_value valueOf(nb::handle object, const std::string &name, Inputs &keep) {
  if (object.is_none())
    return {};
  if (!nb::isinstance<nb::list>(object))
    return tensorOf(object, name, keep);
  std::vector<ssm_value> elements;
  for (nb::handle element : nb::borrow<nb::list>(object))
    elements.push_back(tensorOf(element, name, keep));
  ssm_value v = {};
  v.kind = SSM_SEQUENCE;
  v.shape[0] = int64_t(elements.size());
  keep.sequences.push_back(std::move(elements));
  v.data = keep.sequences.back().data();
  return v;
}

class Library {
public:
  Library(const std::string &path, const std::optional<std::string> &side) {
    void *handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (!handle)
      throw Failure(1, "cannot load the library: " + std::string(dlerror()));
    auto find = [&](auto &function, const char *name) {
      function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(dlsym(handle, name));
      if (!function)
        throw Failure(1, "'" + path + "' was not written by ssmc: it has no function " + name);
    };
    find(abiVersion, "ssm_abi_version");
    if (abiVersion() != 1)
      throw Failure(1, "'" + path + "' has version " + std::to_string(abiVersion()) + " of the interface, expected 1");
    find(lastError, "ssm_last_error");
    find(open, "ssm_open");
    find(close, "ssm_close");
    find(numInputs, "ssm_num_inputs");
    find(numOutputs, "ssm_num_outputs");
    find(input, "ssm_input");
    find(output, "ssm_output");
    find(metadataOf, "ssm_metadata");
    find(runModel, "ssm_run");
    find(freeValue, "ssm_value_free");
    find(threadsOf, "ssm_set_threads");
    find(profileOf, "ssm_profile");
    find(readProfile, "ssm_profile_read");
    find(peakOf, "ssm_peak_bytes");
    check(open(side ? side->c_str() : nullptr, &model));
  }
  // The library itself stays loaded: its OpenMP threads, and arrays that it gave, may outlive this.
  ~Library() {
    if (model)
      close(model);
  }
  Library(const Library &) = delete;

  nb::list inputs() const { return describe(numInputs(model), input); }
  nb::list outputs() const { return describe(numOutputs(model), output); }
  nb::str metadata() const {
    return nb::steal<nb::str>(
        PyUnicode_DecodeUTF8(metadataOf(model), Py_ssize_t(strlen(metadataOf(model))), "replace"));
  }
  void setThreads(int threads) { threadsOf(model, threads); }
  void setProfile(bool on) { profileOf(model, on); }
  int64_t peakBytes() const { return peakOf(model); }

  nb::list profile() const {
    int32_t count = readProfile(model, nullptr, nullptr, 0);
    std::vector<double> seconds(count);
    std::vector<int64_t> calls(count);
    readProfile(model, seconds.data(), calls.data(), count);
    nb::list rows;
    for (int32_t i = 0; i < count; ++i)
      rows.append(nb::make_tuple(seconds[i], calls[i]));
    return rows;
  }

  /// dlpack: every output is an object with __dlpack__; otherwise a NumPy array, or (array of bytes, type) for types
  /// that NumPy lacks.
  nb::list run(nb::list values, bool dlpack) {
    Inputs keep;
    std::vector<ssm_value> in, out(size_t(numOutputs(model)));
    keep.arrays.reserve(values.size());
    for (size_t i = 0; i < values.size(); ++i) {
      const ssm_io_desc *desc = input(model, int32_t(i));
      in.push_back(valueOf(values[i], desc ? desc->name : "", keep));
    }
    int32_t code;
    std::string message;
    {
      nb::gil_scoped_release release;
      code = runModel(model, in.data(), int32_t(in.size()), out.data(), int32_t(out.size()));
      if (code)
        message = lastError();
    }
    if (code)
      throw Failure(code, message);
    nb::list results;
    for (ssm_value &v : out) {
      if (v.kind != SSM_SEQUENCE) {
        results.append(arrayOf(v, dlpack));
        continue;
      }
      nb::list elements;
      for (int64_t i = 0; i < v.shape[0]; ++i)
        elements.append(arrayOf(static_cast<ssm_value *>(v.data)[i], dlpack));
      freeValue(&v);
      results.append(elements);
    }
    return results;
  }

private:
  void check(int32_t code) const {
    if (code)
      throw Failure(code, lastError());
  }

  template <typename Get> nb::list describe(int32_t count, Get get) const {
    nb::list rows;
    for (int32_t i = 0; i < count; ++i) {
      const ssm_io_desc &d = *get(model, i);
      nb::list dims;
      for (int32_t k = 0; k < d.rank; ++k) {
        if (d.dims[k] >= 0)
          dims.append(nb::int_(d.dims[k]));
        else if (*d.symbols[k])
          dims.append(nb::str(d.symbols[k]));
        else
          dims.append(nb::none());
      }
      rows.append(nb::make_tuple(d.name, d.kind, bool(d.optional), d.dtype, nb::tuple(dims)));
    }
    return rows;
  }

  /// An array that owns the value's memory.
  nb::object arrayOf(ssm_value &v, bool dlpack) const {
    if (v.kind == SSM_ABSENT || v.dtype <= 0 || v.dtype >= kNumTypes)
      return nb::none();
    struct Owner {
      ssm_value value;
      decltype(&ssm_value_free) release;
    };
    auto *owner = new Owner{v, freeValue};
    v = {};
    nb::capsule capsule(owner, [](void *p) noexcept {
      auto *o = static_cast<Owner *>(p);
      o->release(&o->value);
      delete o;
    });
    const ssm_value &kept = owner->value;
    std::vector<size_t> shape(kept.shape, kept.shape + kept.rank);
    DlType type = kDlTypes[kept.dtype];
    bool nameless = kept.dtype >= 16; // bfloat16 and smaller: NumPy has no name for them
    if (dlpack && type.bits) {
      nb::dlpack::dtype dl{type.code, type.bits, 1};
      return nb::cast(nb::ndarray<nb::array_api>(kept.data, shape.size(), shape.data(), capsule, nullptr, dl));
    }
    nb::dlpack::dtype dl{uint8_t(nameless ? 1 : type.code), uint8_t(kBytes[kept.dtype] * 8), 1};
    nb::object array = nb::cast(nb::ndarray<nb::numpy>(kept.data, shape.size(), shape.data(), capsule, nullptr, dl));
    return nameless ? nb::object(nb::make_tuple(array, kept.dtype)) : array;
  }

  decltype(&ssm_abi_version) abiVersion;
  decltype(&ssm_last_error) lastError;
  decltype(&ssm_open) open;
  decltype(&ssm_close) close;
  decltype(&ssm_num_inputs) numInputs;
  decltype(&ssm_num_outputs) numOutputs;
  decltype(&ssm_input) input;
  decltype(&ssm_output) output;
  decltype(&ssm_metadata) metadataOf;
  decltype(&ssm_run) runModel;
  decltype(&ssm_value_free) freeValue;
  decltype(&ssm_set_threads) threadsOf;
  decltype(&ssm_profile) profileOf;
  decltype(&ssm_profile_read) readProfile;
  decltype(&ssm_peak_bytes) peakOf;
  ssm_model *model = nullptr;
};

PyObject *errorType = nullptr;
} // namespace

NB_MODULE(_runtime, m) {
  m.doc() = "Opens and runs compiled libraries.";
  // The package gives its own exception class: module code raises it with (message, exit status).
  m.def("set_error_type", [](nb::object type) { errorType = type.release().ptr(); });
  nb::register_exception_translator([](const std::exception_ptr &p, void *) {
    try {
      std::rethrow_exception(p);
    } catch (const Failure &failure) {
      nb::object message =
          nb::steal(PyUnicode_DecodeUTF8(failure.what(), Py_ssize_t(strlen(failure.what())), "replace"));
      nb::object arguments = nb::make_tuple(message, failure.code);
      PyErr_SetObject(errorType ? errorType : PyExc_RuntimeError, arguments.ptr());
    }
  });
  nb::class_<Library>(m, "Library")
      .def(nb::init<const std::string &, const std::optional<std::string> &>(), nb::arg("path"),
           nb::arg("side_file").none())
      .def_prop_ro("inputs", &Library::inputs)
      .def_prop_ro("outputs", &Library::outputs)
      .def_prop_ro("metadata", &Library::metadata)
      .def_prop_ro("peak_bytes", &Library::peakBytes)
      .def("set_threads", &Library::setThreads)
      .def("set_profile", &Library::setProfile)
      .def("profile", &Library::profile)
      .def("run", &Library::run, nb::arg("values"), nb::arg("dlpack"));
}
