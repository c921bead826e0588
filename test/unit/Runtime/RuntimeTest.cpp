//===- RuntimeTest.cpp - the C interface, as a caller sees it --------------===//
// Model.c is linked with the runtime into a library as ssmc does it; the tests open it with dlopen.
//===----------------------------------------------------------------------===//
#include "ssm-mlir-c/model.h"
#include <atomic>
#include <dlfcn.h>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <malloc.h>
#include <string>
#include <thread>
#include <unistd.h>
#include <vector>

namespace {

/// The library's functions.
struct Library {
  void *handle = dlopen(SSM_TEST_MODEL, RTLD_NOW | RTLD_LOCAL);
  template <typename F> F *get(const char *name) const { return reinterpret_cast<F *>(dlsym(handle, name)); }
  decltype(&ssm_open) open = get<decltype(ssm_open)>("ssm_open");
  decltype(&ssm_close) close = get<decltype(ssm_close)>("ssm_close");
  decltype(&ssm_run) run = get<decltype(ssm_run)>("ssm_run");
  decltype(&ssm_value_free) freeValue = get<decltype(ssm_value_free)>("ssm_value_free");
  decltype(&ssm_last_error) lastError = get<decltype(ssm_last_error)>("ssm_last_error");
  decltype(&ssm_set_threads) setThreads = get<decltype(ssm_set_threads)>("ssm_set_threads");
  decltype(&ssm_set_parallel_for) setParallelFor = get<decltype(ssm_set_parallel_for)>("ssm_set_parallel_for");
  decltype(&ssm_profile) profile = get<decltype(ssm_profile)>("ssm_profile");
  decltype(&ssm_profile_read) readProfile = get<decltype(ssm_profile_read)>("ssm_profile_read");
  decltype(&ssm_peak_bytes) peakBytes = get<decltype(ssm_peak_bytes)>("ssm_peak_bytes");
};

const Library &library() {
  static Library l;
  return l;
}

enum Mode : int64_t { Plain, FailAfterOutput, FailInBody, HugeBuffer, GrowSequence, Rows };

void writeSideFile(const std::string &path, const std::string &hash, int64_t bytes = 64) {
  std::string header = "{\"__metadata__\":{\"hash\":\"" + hash + "\"},\"constants\":{\"dtype\":\"U8\",\"shape\":[" +
                       std::to_string(bytes) + "],\"data_offsets\":[0," + std::to_string(bytes) + "]}}";
  header.resize((header.size() + 8 + 63) / 64 * 64 - 8, ' ');
  uint64_t length = header.size();
  float factors[16] = {2, 3, 4};
  std::ofstream file(path, std::ios::binary);
  file.write(reinterpret_cast<char *>(&length), 8);
  file << header;
  file.write(reinterpret_cast<char *>(factors), 64);
}

int64_t residentBytes() {
  int64_t size = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> size >> resident;
  return resident * sysconf(_SC_PAGESIZE);
}

std::string besideLibrary() { return std::filesystem::path(SSM_TEST_MODEL).replace_extension("safetensors"); }

class Runtime : public testing::Test {
protected:
  void SetUp() override {
    ASSERT_TRUE(library().handle) << dlerror();
    writeSideFile(besideLibrary(), "00c0ffee");
    ASSERT_EQ(library().open(nullptr, &model), 0) << library().lastError();
    setLength(5);
  }
  void TearDown() override {
    for (ssm_value &v : outputs)
      library().freeValue(&v);
    library().close(model);
  }
  static ssm_value tensor(ssm_dtype dtype, std::vector<int64_t> shape, void *data) {
    ssm_value v = {};
    v.kind = SSM_TENSOR;
    v.dtype = dtype;
    v.rank = shape.size();
    std::copy(shape.begin(), shape.end(), v.shape);
    v.data = data;
    return v;
  }
  void setLength(int64_t length, Mode mode = Plain) {
    x.assign(length * 3, 1);
    mask.assign(length, mode);
    inputs[0] = tensor(1, {length, 3}, x.data());
    inputs[1] = tensor(7, {length}, mask.data());
    inputs[2] = {};
  }
  int32_t run() {
    library().freeValue(&outputs[1]); // of the run before: only tensors are written in place
    return library().run(model, inputs, 3, outputs, 2);
  }
  std::string error() { return library().lastError(); }

  ssm_model *model = nullptr;
  std::vector<float> x;
  std::vector<int64_t> mask;
  ssm_value inputs[3] = {}, outputs[2] = {};
};

TEST_F(Runtime, Runs) {
  ASSERT_EQ(run(), 0) << error();
  auto *y = static_cast<float *>(outputs[0].data);
  EXPECT_EQ(outputs[0].shape[0], 5);
  EXPECT_EQ(y[12], 2);
  EXPECT_EQ(y[13], 3);
  EXPECT_EQ(y[14], 4);
  EXPECT_EQ(outputs[1].kind, SSM_SEQUENCE);
  EXPECT_EQ(outputs[1].shape[0], 3);
  EXPECT_GT(library().peakBytes(model), 0);
}

TEST_F(Runtime, EmptyLength) {
  setLength(0);
  ASSERT_EQ(run(), 0) << error();
  EXPECT_EQ(outputs[0].shape[0], 0);
}

TEST_F(Runtime, WritesInPlace) {
  std::vector<float> place(100, -1);
  outputs[0] = tensor(1, {100}, place.data());
  ASSERT_EQ(run(), 0) << error();
  EXPECT_EQ(outputs[0].data, place.data());
  EXPECT_EQ(outputs[0].rank, 2);
  EXPECT_EQ(place[14], 4);
  EXPECT_EQ(place[15], -1);
}

TEST_F(Runtime, RefusesSmallOutput) {
  std::vector<float> place(14);
  outputs[0] = tensor(1, {14}, place.data());
  EXPECT_EQ(run(), 1);
  EXPECT_EQ(error(), "output 'y': the buffer given has room for 14 elements, 15 are needed");
  EXPECT_EQ(outputs[0].data, place.data());
}

TEST_F(Runtime, RefusesWrongInputs) {
  inputs[0].dtype = 11;
  EXPECT_EQ(run(), 1);
  EXPECT_EQ(error(), "input 'x': element type is float64, expected float32");
  setLength(5);
  inputs[0].rank = 1;
  EXPECT_EQ(run(), 1);
  EXPECT_EQ(error(), "input 'x': rank is 1, expected 2: got float32 [5], expected float32 [length, 3]");
  setLength(5);
  inputs[0].shape[1] = 4;
  EXPECT_EQ(run(), 1);
  EXPECT_EQ(error(), "input 'x': dimension 1 is 4, expected 3: got float32 [5, 4], expected float32 [length, 3]");
  setLength(5);
  inputs[1].shape[0] = 7;
  EXPECT_EQ(run(), 1);
  EXPECT_EQ(error(), "input 'mask': dimension 0 ('length') is 7, but 5 in input 'x'");
  setLength(5);
  inputs[0].shape[0] = -2;
  EXPECT_EQ(run(), 1);
  EXPECT_EQ(error(), "input 'x': dimension 0 is -2, a size is never negative");
  setLength(5);
  inputs[0].data = nullptr;
  EXPECT_EQ(run(), 1);
  EXPECT_EQ(error(), "input 'x': data is a null pointer");
  setLength(5);
  inputs[1] = {};
  EXPECT_EQ(run(), 1);
  EXPECT_EQ(error(), "input 'mask': got nothing, expected a tensor");
  EXPECT_EQ(library().run(model, inputs, 2, outputs, 2), 1);
  EXPECT_EQ(error(), "the model has 3 inputs, 2 were given");
  int64_t number = 0;
  ssm_value element = tensor(7, {}, &number);
  setLength(5);
  inputs[2].kind = SSM_SEQUENCE;
  inputs[2].shape[0] = 1;
  inputs[2].data = &element;
  EXPECT_EQ(run(), 1);
  EXPECT_EQ(error(), "input 'ids': element 0 is of int64, expected float32");
}

TEST_F(Runtime, RefusesNullPointersAndImpossibleValues) {
  EXPECT_EQ(library().run(nullptr, inputs, 3, outputs, 2), 1);
  EXPECT_EQ(error(), "model is a null pointer");
  EXPECT_EQ(library().run(model, nullptr, 3, outputs, 2), 1);
  EXPECT_EQ(error(), "inputs is a null pointer");
  EXPECT_EQ(library().run(model, inputs, 3, nullptr, 2), 1);
  EXPECT_EQ(error(), "outputs is a null pointer");
  EXPECT_EQ(library().run(model, inputs, 3, outputs, 1), 1);
  EXPECT_EQ(error(), "the model has 2 outputs, 1 were given");
  for (int32_t rank : {-1, SSM_MAX_RANK + 1, INT32_MAX}) {
    setLength(5);
    inputs[0].rank = rank;
    EXPECT_EQ(run(), 1);
    EXPECT_EQ(error(), "input 'x': rank is " + std::to_string(rank) + ", expected 2: float32 [length, 3]");
  }
  for (int32_t kind : {-1, 2, 77}) {
    setLength(5);
    inputs[0].kind = kind;
    EXPECT_EQ(run(), 1);
    EXPECT_EQ(error().substr(0, 14), "input 'x': got") << kind;
  }
  for (ssm_dtype dtype : {-1, 0, 8, 27, INT32_MAX}) {
    setLength(5);
    inputs[0].dtype = dtype;
    EXPECT_EQ(run(), 1);
    EXPECT_EQ(error().substr(0, 10), "input 'x':") << dtype;
  }
  setLength(5);
  inputs[0].shape[0] = inputs[1].shape[0] = INT64_MAX / 2;
  EXPECT_EQ(run(), 1);
  EXPECT_EQ(error(), "input 'x': the number of elements is too large");
  setLength(5);
  EXPECT_EQ(run(), 0); // a refused call changes nothing
}

TEST_F(Runtime, FailureLeavesNothing) {
  for (Mode mode : {FailAfterOutput, FailInBody, HugeBuffer}) {
    setLength(64, mode);
    size_t used = 0;
    for (int i = 0; i < 40; ++i) {
      EXPECT_EQ(run(), 1);
      EXPECT_EQ(outputs[0].data, nullptr);
      if (i == 20)
        used = mallinfo2().uordblks;
    }
    EXPECT_LE(mallinfo2().uordblks, used + 4096);
  }
  EXPECT_EQ(error(), "a buffer of 9223372036854775807 bytes is needed: a size that the model computed is impossible");
  setLength(64, FailInBody);
  run();
  EXPECT_EQ(error().substr(0, 30), "node 'mul': index out of range");
  setLength(4);
  EXPECT_EQ(run(), 0);
}

TEST_F(Runtime, Rows) {
  setLength(300, Rows);
  for (int i = 0; i < 300; ++i)
    x[3 * i] = i;
  ASSERT_EQ(run(), 0) << error();
  auto *y = static_cast<float *>(outputs[0].data);
  EXPECT_EQ(y[0], 598);
  EXPECT_EQ(y[3 * 299], 0);
}

TEST_F(Runtime, SequencesGrowInLinearTime) {
  setLength(2, GrowSequence);
  ASSERT_EQ(run(), 0) << error();
  ASSERT_EQ(outputs[1].shape[0], 5000);
  auto *elements = static_cast<ssm_value *>(outputs[1].data);
  EXPECT_EQ(*static_cast<float *>(elements[4321].data), 4321);
  EXPECT_LT(library().peakBytes(model), 16 << 20);
}

TEST_F(Runtime, SequenceInputIsNotChanged) {
  float numbers[] = {1, 2, 3, 4};
  ssm_value elements[4];
  for (int i = 0; i < 4; ++i)
    elements[i] = tensor(1, {}, &numbers[i]);
  inputs[2].kind = SSM_SEQUENCE;
  inputs[2].shape[0] = 4;
  inputs[2].data = elements;
  ASSERT_EQ(run(), 0) << error();
  ASSERT_EQ(outputs[1].shape[0], 3); // 2, constants, 3
  auto *got = static_cast<ssm_value *>(outputs[1].data);
  EXPECT_EQ(*static_cast<float *>(got[0].data), 2);
  EXPECT_EQ(got[1].shape[0], 3);
  EXPECT_EQ(*static_cast<float *>(got[2].data), 3);
  EXPECT_EQ(elements[3].data, &numbers[3]);
}

TEST_F(Runtime, ManyThreadsOnOneModel) {
  std::atomic<int> wrong = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < 200; ++i) {
        int64_t length = 1 + (i * 7 + t * 131) % 500;
        std::vector<float> values(length * 3, float(t + 1));
        std::vector<int64_t> modes(length, i % 9 == 0 ? FailInBody : Plain);
        ssm_value in[3] = {tensor(1, {length, 3}, values.data()), tensor(7, {length}, modes.data()), {}}, out[2] = {};
        int32_t code = library().run(model, in, 3, out, 2);
        if (code != (i % 9 == 0) || (!code && static_cast<float *>(out[0].data)[3 * length - 1] != 4.f * (t + 1)))
          ++wrong;
        library().freeValue(&out[0]);
        library().freeValue(&out[1]);
      }
    });
  for (std::thread &t : threads)
    t.join();
  EXPECT_EQ(wrong, 0);
}

TEST_F(Runtime, ArenaGrowsAndShrinks) {
  for (int64_t length : {3, 400000, 5}) {
    setLength(length);
    library().freeValue(&outputs[0]);
    ASSERT_EQ(run(), 0) << error();
    EXPECT_EQ(static_cast<float *>(outputs[0].data)[3 * length - 1], 4);
  }
  EXPECT_GE(library().peakBytes(model), 400000 * 12);
  // A large arena that later calls have no use for goes back to the system.
  int64_t before = residentBytes();
  for (int i = 0; i < 40; ++i)
    ASSERT_EQ(run(), 0) << error();
  EXPECT_LT(residentBytes(), before - 3000000);
}

TEST_F(Runtime, ParallelForCanBeReplaced) {
  int calls = 0;
  library().setParallelFor(
      model,
      [](void *context, int64_t count, void (*body)(void *, int64_t, int64_t), void *args) {
        ++*static_cast<int *>(context);
        for (int64_t i = count; i-- > 0;)
          body(args, i, i + 1);
      },
      &calls);
  ASSERT_EQ(run(), 0) << error();
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(static_cast<float *>(outputs[0].data)[14], 4);
  setLength(5, FailInBody);
  EXPECT_EQ(run(), 1);
  EXPECT_EQ(error(), "node 'mul': index out of range (4 and 5)");
}

TEST_F(Runtime, ThreadNumbers) {
  for (int threads : {1, 2, 3, 0}) {
    library().setThreads(model, threads);
    setLength(1000);
    ASSERT_EQ(run(), 0) << error();
    for (int i = 0; i < 3000; ++i)
      ASSERT_EQ(static_cast<float *>(outputs[0].data)[i], 2 + i % 3);
    library().freeValue(&outputs[0]);
    library().freeValue(&outputs[1]);
  }
}

TEST_F(Runtime, Profile) {
  double seconds[2];
  int64_t calls[2];
  library().profile(model, 1);
  run();
  run();
  EXPECT_EQ(library().readProfile(model, seconds, calls, 2), 2);
  EXPECT_EQ(calls[0], 2);
  EXPECT_EQ(calls[1], 0);
  EXPECT_GT(seconds[0], 0);
  library().profile(model, 0);
  run();
  library().readProfile(model, seconds, calls, 2);
  EXPECT_EQ(calls[0], 2);
}

TEST_F(Runtime, SideFile) {
  ssm_model *other = nullptr;
  std::string path = besideLibrary() + ".other";
  auto open = [&] { return library().open(path.c_str(), &other); };
  std::filesystem::remove(path);
  EXPECT_EQ(open(), 1);
  EXPECT_EQ(error(), "cannot open '" + path + "', the constants of this library: No such file or directory");
  writeSideFile(path, "00decaff");
  EXPECT_EQ(open(), 1);
  EXPECT_EQ(error(),
            "'" + path + "' belongs to another compilation: its hash is 00decaff, the library expects 00c0ffee");
  writeSideFile(path, "00c0ffee");
  std::filesystem::resize_file(path, std::filesystem::file_size(path) - 1);
  EXPECT_EQ(open(), 1);
  EXPECT_NE(error().find("is cut off"), std::string::npos);
  writeSideFile(path, "00c0ffee", 128);
  EXPECT_EQ(open(), 1);
  EXPECT_EQ(error(), "'" + path + "' holds 128 bytes of constants, the library expects 64");
  std::ofstream(path) << "not this";
  EXPECT_EQ(open(), 1);
  EXPECT_EQ(error(), "'" + path + "' is not a file of constants written by ssmc");
  EXPECT_EQ(other, nullptr);
  std::filesystem::remove(path);
}

} // namespace
