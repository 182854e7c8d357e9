#include <torch/script.h>

#include "engine.h"

namespace model_wrapper {
namespace {

Tensor to_tensor(const at::Tensor& value) {
    at::Tensor floats = value.to(at::kFloat).contiguous();
    return {floats.sizes().vec(), to_floats<float>(floats.data_ptr<float>(), floats.numel()), !at::isFloatingType(value.scalar_type())};
}

class LibTorch : public Engine {
public:
    explicit LibTorch(const std::string& path) : module(torch::jit::load(path, at::kCPU)) { module.eval(); }

    std::vector<Tensor> run(const Input& input, const std::string&, const std::vector<std::string>&) override {
        c10::InferenceMode guard;
        auto image = torch::from_blob(const_cast<void*>(input.data()), input.shape, input.bytes ? at::kByte : at::kFloat);
        auto answer = module.forward({image});
        std::vector<Tensor> answers;
        if (answer.isTensor()) return {to_tensor(answer.toTensor())};
        if (answer.isTensorList()) {
            for (auto& each : answer.toTensorVector()) answers.push_back(to_tensor(each));
            return answers;
        }
        for (auto& each : answer.toTupleRef().elements()) answers.push_back(to_tensor(each.toTensor()));
        return answers;
    }

private:
    torch::jit::Module module;
};

}  // namespace

std::unique_ptr<Engine> start_engine(const std::string& path) { return std::make_unique<LibTorch>(path); }
bool runs(const std::string& format) { return format == "torchscript"; }

}  // namespace model_wrapper
