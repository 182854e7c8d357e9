// What a runtime does for the wrapper. engine_*.cpp implements it; CMake's ENGINE chooses one.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace model_wrapper {

// The input of a model: bytes or floats, as metadata.json says.
struct Input {
    std::vector<int64_t> shape;
    bool bytes = false;
    std::vector<uint8_t> u8;
    std::vector<float> f32;
    const void* data() const { return bytes ? static_cast<const void*>(u8.data()) : f32.data(); }
    size_t size() const { return bytes ? u8.size() : f32.size(); }
};

// An answer, brought to float.
struct Tensor {
    std::vector<int64_t> shape;
    std::vector<float> values;
    bool whole_numbers = false;
};

class Engine {
public:
    virtual ~Engine() = default;
    // The answers come in the order of the names.
    virtual std::vector<Tensor> run(const Input& input, const std::string& input_name, const std::vector<std::string>& output_names) = 0;
    // The metadata that a model file holds itself, "" where it has none.
    virtual std::string embedded_metadata() { return ""; }
};

std::unique_ptr<Engine> start_engine(const std::string& path);
// Whether this build runs a format of metadata.json.
bool runs(const std::string& format);

template <class T>
std::vector<float> to_floats(const void* data, size_t count) {
    auto values = static_cast<const T*>(data);
    return std::vector<float>(values, values + count);
}

}  // namespace model_wrapper
