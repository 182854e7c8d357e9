#include <filesystem>
#include <openvino/openvino.hpp>
#include <stdexcept>

#include "engine.h"

namespace model_wrapper {
namespace {

Tensor to_tensor(const ov::Tensor& value) {
    ov::Shape sides = value.get_shape();
    std::vector<int64_t> shape(sides.begin(), sides.end());
    auto type = value.get_element_type();
    if (type == ov::element::f32) return {shape, to_floats<float>(value.data(), value.get_size()), false};
    if (type == ov::element::i64) return {shape, to_floats<int64_t>(value.data(), value.get_size()), true};
    if (type == ov::element::i32) return {shape, to_floats<int32_t>(value.data(), value.get_size()), true};
    if (type == ov::element::u8) return {shape, to_floats<uint8_t>(value.data(), value.get_size()), true};
    throw std::runtime_error("an output of the model has the type " + type.get_type_name() + ", which this wrapper does not read");
}

class OpenVino : public Engine {
public:
    explicit OpenVino(const std::string& path) {
        model = core.compile_model(file_of(path), "CPU", ov::hint::inference_precision(ov::element::f32));
    }

    std::vector<Tensor> run(const Input& input, const std::string&, const std::vector<std::string>& output_names) override {
        auto request = model.create_infer_request();
        ov::Shape shape(input.shape.begin(), input.shape.end());
        request.set_input_tensor(ov::Tensor(input.bytes ? ov::element::u8 : ov::element::f32, shape, const_cast<void*>(input.data())));
        request.infer();
        std::vector<Tensor> answers;
        for (size_t i = 0; i < output_names.size(); i++) answers.push_back(to_tensor(request.get_tensor(port(output_names[i], i))));
        return answers;
    }

private:
    // A model of OpenVINO is a folder with its .xml and .bin.
    static std::string file_of(const std::string& path) {
        if (std::filesystem::is_directory(path))
            for (auto& entry : std::filesystem::directory_iterator(path))
                if (entry.path().extension() == ".xml") return entry.path().string();
        return path;
    }

    // A conversion may have lost the names; the order is the same.
    ov::Output<const ov::Node> port(const std::string& name, size_t index) const {
        for (auto& output : model.outputs())
            if (output.get_names().count(name)) return output;
        return model.output(index);
    }

    ov::Core core;
    ov::CompiledModel model;
};

}  // namespace

std::unique_ptr<Engine> start_engine(const std::string& path) { return std::make_unique<OpenVino>(path); }
bool runs(const std::string& format) { return format == "openvino" || format == "onnx"; }  // it reads ONNX too

}  // namespace model_wrapper
