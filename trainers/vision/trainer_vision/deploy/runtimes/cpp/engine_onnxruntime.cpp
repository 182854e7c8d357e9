#include <onnxruntime_cxx_api.h>

#include <stdexcept>

#include "engine.h"

namespace model_wrapper {
namespace {

Tensor to_tensor(const Ort::Value& value) {
    auto info = value.GetTensorTypeAndShapeInfo();
    size_t count = info.GetElementCount();
    const void* data = value.GetTensorRawData();
    switch (info.GetElementType()) {
        case ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT: return {info.GetShape(), to_floats<float>(data, count), false};
        case ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64: return {info.GetShape(), to_floats<int64_t>(data, count), true};
        case ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32: return {info.GetShape(), to_floats<int32_t>(data, count), true};
        case ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8: return {info.GetShape(), to_floats<uint8_t>(data, count), true};
        default: throw std::runtime_error("an output of the model has a type that this wrapper does not read");
    }
}

class OnnxRuntime : public Engine {
public:
    explicit OnnxRuntime(const std::string& path) : env(ORT_LOGGING_LEVEL_WARNING, "model"), session(env, path.c_str(), Ort::SessionOptions{}) {}

    std::vector<Tensor> run(const Input& input, const std::string& input_name, const std::vector<std::string>& output_names) override {
        auto memory = Ort::MemoryInfo::CreateCpu(OrtArenaAllocator, OrtMemTypeDefault);
        auto type = input.bytes ? ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8 : ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT;
        size_t bytes = input.size() * (input.bytes ? 1 : sizeof(float));
        auto value = Ort::Value::CreateTensor(memory, const_cast<void*>(input.data()), bytes, input.shape.data(), input.shape.size(), type);
        const char* in = input_name.c_str();
        std::vector<const char*> out;
        for (auto& name : output_names) out.push_back(name.c_str());
        std::vector<Tensor> answers;
        for (auto& answer : session.Run(Ort::RunOptions{}, &in, &value, 1, out.data(), out.size())) answers.push_back(to_tensor(answer));
        return answers;
    }

    std::string embedded_metadata() override {
        Ort::AllocatorWithDefaultOptions allocator;
        auto text = session.GetModelMetadata().LookupCustomMetadataMapAllocated("metadata", allocator);
        return text ? text.get() : "";
    }

private:
    Ort::Env env;
    Ort::Session session;
};

}  // namespace

std::unique_ptr<Engine> start_engine(const std::string& path) { return std::make_unique<OnnxRuntime>(path); }
bool runs(const std::string& format) { return format == "onnx"; }

}  // namespace model_wrapper
