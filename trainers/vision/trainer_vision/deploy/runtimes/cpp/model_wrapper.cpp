#include "model_wrapper.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <stdexcept>

#include "compare.h"
#include "decode.h"
#include "engine.h"
#include "image.h"
#include "metadata.h"

namespace model_wrapper {
namespace {

namespace fs = std::filesystem;

// Where an image goes in the input, and its size there.
struct Plan {
    Placement placement;
    int width, height, left, top;
};

int half_even(double value) { return static_cast<int>(std::nearbyint(value)); }

Plan plan(const Resize& to, int width, int height) {
    if (to.mode == "stretch") return {{static_cast<double>(to.width) / width, static_cast<double>(to.height) / height, 0, 0}, to.width, to.height, 0, 0};
    Plan plan{};
    if (to.mode == "letterbox") {
        double ratio = std::min(static_cast<double>(to.width) / width, static_cast<double>(to.height) / height);
        plan.width = std::max(1, half_even(width * ratio));
        plan.height = std::max(1, half_even(height * ratio));
        plan.left = to.centred ? half_even((to.width - plan.width) / 2.0 - 0.1) : 0;
        plan.top = to.centred ? half_even((to.height - plan.height) / 2.0 - 0.1) : 0;
        plan.placement = {static_cast<double>(plan.width) / width, static_cast<double>(plan.height) / height, static_cast<double>(plan.left), static_cast<double>(plan.top)};  // of the rounded sides
        return plan;
    }
    bool tall = width <= height;
    plan.width = tall ? to.shortest : static_cast<int>(static_cast<double>(to.shortest) * width / height);
    plan.height = tall ? static_cast<int>(static_cast<double>(to.shortest) * height / width) : to.shortest;
    plan.left = -half_even((plan.width - to.width) / 2.0);
    plan.top = -half_even((plan.height - to.height) / 2.0);
    plan.placement = {static_cast<double>(plan.width) / width, static_cast<double>(plan.height) / height, static_cast<double>(plan.left), static_cast<double>(plan.top)};
    return plan;
}

Image placed(const Image& image, const Resize& to, const Plan& plan) {
    Image small = resample(image, plan.width, plan.height, to.bicubic, to.antialias);
    Image canvas{to.width, to.height, std::vector<uint8_t>(static_cast<size_t>(to.width) * to.height * 3, static_cast<uint8_t>(to.mode == "letterbox" ? to.pad : 0))};
    int left = std::max(0, plan.left), right = std::min(canvas.width, plan.left + small.width);
    for (int y = std::max(0, plan.top); left < right && y < std::min(canvas.height, plan.top + small.height); y++)
        std::memcpy(&canvas.rgb[(static_cast<size_t>(y) * canvas.width + left) * 3], &small.rgb[(static_cast<size_t>(y - plan.top) * small.width + left - plan.left) * 3], static_cast<size_t>(right - left) * 3);
    return canvas;
}

// Pixels as the model takes them.
Input to_input(const Image& image, const Metadata& metadata) {
    Input input;
    input.bytes = metadata.bytes;
    size_t pixels = static_cast<size_t>(image.width) * image.height;
    bool planes = metadata.layout == "NCHW";
    if (planes) input.shape = {1, 3, image.height, image.width};
    else input.shape = {1, image.height, image.width, 3};
    if (metadata.layout == "HWC") input.shape.erase(input.shape.begin());
    (input.bytes ? input.u8.resize(pixels * 3) : input.f32.resize(pixels * 3));
    for (size_t i = 0; i < pixels; i++)
        for (size_t c = 0; c < 3; c++) {
            size_t from = metadata.bgr ? 2 - c : c, to = planes ? c * pixels + i : i * 3 + c;
            uint8_t value = image.rgb[i * 3 + from];
            if (input.bytes) input.u8[to] = value;
            else input.f32[to] = metadata.prepared_by_graph ? value : (value * metadata.scale[from] - metadata.mean[from]) / metadata.std[from];
        }
    return input;
}

std::string inside(const std::string& name) {
    fs::path path(name);
    if (path.is_absolute() || std::find(path.begin(), path.end(), "..") != path.end()) throw std::runtime_error("metadata.json names the file " + name + ", which is outside the package");
    return name;
}

// The package that a path belongs to: the folder with metadata.json.
std::string package_of(const std::string& path) {
    fs::path folder = fs::is_directory(path) ? fs::path(path) : fs::path(path).parent_path();
    for (int up = 0; up < 2; up++, folder = folder / "..")
        if (fs::exists(folder / "metadata.json")) return folder.string();
    throw std::runtime_error("there is no metadata.json beside " + path + ": unpack the whole package");
}

}  // namespace

struct ModelWrapper::Parts {
    std::string package;
    Metadata metadata;
    std::unique_ptr<Engine> engine;
    std::vector<std::string> outputs;
};

ModelWrapper::ModelWrapper(const std::string& path) : parts(std::make_unique<Parts>()) {
    parts->package = package_of(path);
    std::string described = parts->package + "/metadata.json";
    parts->metadata = parse_metadata(read_text(described), described);
    std::string file = parts->package + "/" + inside(parts->metadata.file), beside = parts->package + "/model.onnx";
    bool own = fs::equivalent(path, parts->package) ? runs(parts->metadata.format) : fs::equivalent(path, file);
    if (!own && (!runs("onnx") || !fs::exists(beside))) throw std::runtime_error("the package's model is " + parts->metadata.format + ", which this build does not run: configure CMake with another ENGINE");
    parts->engine = start_engine(own ? file : beside);
    if (!own) {  // the ONNX beside another format describes itself
        std::string text = parts->engine->embedded_metadata();
        if (text.empty()) throw std::runtime_error(beside + " holds no metadata");
        parts->metadata = parse_metadata(text, beside);
    }
    for (auto& output : parts->metadata.outputs) parts->outputs.push_back(output.name);
}

ModelWrapper::~ModelWrapper() = default;

Answer ModelWrapper::predict(const Image& image) {
    auto& metadata = parts->metadata;
    Plan where = plan(metadata.resize, image.width, image.height);
    bool untouched = metadata.prepared_by_graph && metadata.free_size;
    Input input = to_input(untouched ? image : placed(image, metadata.resize, where), metadata);
    auto answers = parts->engine->run(input, metadata.input_name, parts->outputs);
    return decode(metadata, answers, untouched ? Placement{} : where.placement, where.placement, image.width, image.height);
}

std::vector<std::string> ModelWrapper::selftest() {
    std::string folder = parts->package + "/golden/";
    std::string expected = read_text(folder + "answer.json");
    return compare(expected, to_json(predict(read_image(folder + inside(image_of(expected))))));
}

}  // namespace model_wrapper
