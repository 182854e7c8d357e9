// The C API of TensorFlow Lite (LiteRT), which every build of it has.
#include <tensorflow/lite/c/c_api.h>

#include <cstring>
#include <stdexcept>

#include "engine.h"

namespace model_wrapper {
namespace {

void check(TfLiteStatus status, const char* what) {
    if (status != kTfLiteOk) throw std::runtime_error(std::string("TensorFlow Lite: ") + what + " failed");
}

Tensor to_tensor(const TfLiteTensor* value) {
    std::vector<int64_t> shape;
    size_t count = 1;
    for (int i = 0; i < TfLiteTensorNumDims(value); i++) {
        shape.push_back(TfLiteTensorDim(value, i));
        count *= shape.back();
    }
    const void* data = TfLiteTensorData(value);
    switch (TfLiteTensorType(value)) {
        case kTfLiteFloat32: return {shape, to_floats<float>(data, count), false};
        case kTfLiteInt64: return {shape, to_floats<int64_t>(data, count), true};
        case kTfLiteInt32: return {shape, to_floats<int32_t>(data, count), true};
        case kTfLiteUInt8: return {shape, to_floats<uint8_t>(data, count), true};
        default: throw std::runtime_error("an output of the model has a type that this wrapper does not read");
    }
}

class TfLite : public Engine {
public:
    explicit TfLite(const std::string& path) : model(TfLiteModelCreateFromFile(path.c_str()), TfLiteModelDelete) {
        if (!model) throw std::runtime_error(path + " cannot be read as a TensorFlow Lite model");
        std::unique_ptr<TfLiteInterpreterOptions, void (*)(TfLiteInterpreterOptions*)> options(TfLiteInterpreterOptionsCreate(), TfLiteInterpreterOptionsDelete);
        interpreter.reset(TfLiteInterpreterCreate(model.get(), options.get()));
        if (!interpreter) throw std::runtime_error(path + " needs operators that this build of TensorFlow Lite lacks");
        check(TfLiteInterpreterAllocateTensors(interpreter.get()), "allocating tensors");
    }

    std::vector<Tensor> run(const Input& input, const std::string&, const std::vector<std::string>& output_names) override {
        auto tensor = TfLiteInterpreterGetInputTensor(interpreter.get(), 0);
        check(TfLiteTensorCopyFromBuffer(tensor, input.data(), input.size() * (input.bytes ? 1 : sizeof(float))), "handing the image over");
        check(TfLiteInterpreterInvoke(interpreter.get()), "running the model");
        std::vector<Tensor> answers;
        for (size_t i = 0; i < output_names.size(); i++) answers.push_back(to_tensor(output(output_names[i], i)));
        return answers;
    }

private:
    // Tensors keep their names where the converter did; else the order of the signature is that of their names' last number.
    const TfLiteTensor* output(const std::string& name, size_t index) const {
        for (int i = 0; i < TfLiteInterpreterGetOutputTensorCount(interpreter.get()); i++) {
            auto tensor = TfLiteInterpreterGetOutputTensor(interpreter.get(), i);
            if (name == TfLiteTensorName(tensor)) return tensor;
        }
        return TfLiteInterpreterGetOutputTensor(interpreter.get(), static_cast<int>(index));
    }

    std::unique_ptr<TfLiteModel, void (*)(TfLiteModel*)> model;
    std::unique_ptr<TfLiteInterpreter, void (*)(TfLiteInterpreter*)> interpreter{nullptr, TfLiteInterpreterDelete};
};

}  // namespace

std::unique_ptr<Engine> start_engine(const std::string& path) { return std::make_unique<TfLite>(path); }
bool runs(const std::string& format) { return format == "tflite"; }

}  // namespace model_wrapper
