#include "metadata.h"

#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <stdexcept>

namespace model_wrapper {
namespace {

using nlohmann::json;

constexpr int kSchema = 1;
constexpr std::streamoff kMostBytes = 16 << 20;

// null and absent are the same.
template <class T>
T value_or(const json& object, const char* key, T otherwise) {
    auto found = object.find(key);
    return found == object.end() || found->is_null() ? otherwise : found->get<T>();
}

Resize parse_resize(const json& spec) {
    Resize resize;
    resize.mode = spec.at("mode");
    resize.width = spec.at("width");
    resize.height = spec.at("height");
    resize.shortest = value_or(spec, "resize_shortest", std::min(resize.width, resize.height));
    resize.bicubic = spec.at("kernel") == "bicubic";
    resize.antialias = value_or(spec, "antialias", false);
    resize.centred = value_or<std::string>(spec, "pad_side", "center") != "top_left";
    resize.pad = value_or(spec, "pad_value", 0);
    if (resize.mode != "letterbox" && resize.mode != "stretch" && resize.mode != "shortest_crop") throw std::runtime_error("preprocess.resize.mode is " + resize.mode + ", which this wrapper does not know: take the wrapper of the same package");
    if (resize.width < 1 || resize.height < 1 || resize.width > 16384 || resize.height > 16384 || resize.shortest < 1) throw std::runtime_error("preprocess.resize has a size that no model has");
    return resize;
}

Rules parse_rules(const json& spec) {
    Rules rules;
    rules.included = spec.at("included");
    rules.in_input_pixels = spec.at("box_space") == "input";
    rules.centre_size = spec.at("box_format") == "cxcywh";
    rules.chosen_rows = spec.at("box_format") == "xyxy_score_class";
    rules.confidence = value_or(spec, "conf_threshold", 0.0f);
    rules.overlap = value_or(spec, "iou_threshold", 1.0f);
    rules.mask_threshold = value_or(spec, "mask_threshold", 0.5f);
    rules.most = value_or(spec, "max_detections", 300);
    rules.activation = value_or<std::string>(spec, "activation", "none");
    if (auto shape = spec.find("keypoint_shape"); shape != spec.end() && !shape->is_null()) rules.keypoint_shape = shape->get<std::array<int, 2>>();
    return rules;
}

Metadata parse(const json& all) {
    if (all.at("schema_version") != kSchema) throw std::runtime_error("its schema is " + all.at("schema_version").dump() + ", this wrapper reads " + std::to_string(kSchema) + ": take the wrapper of the same package");
    auto task = all.at("model").at("task").get<std::string>();
    if (task != "detect" && task != "segment" && task != "pose" && task != "classify") throw std::runtime_error("the model's task is " + task + "; this wrapper answers detect, segment, pose and classify");
    Metadata metadata;
    metadata.file = all.at("model").at("file");
    metadata.format = all.at("model").at("format");
    metadata.classes.resize(all.at("classes").size());
    for (auto& each : all.at("classes")) metadata.classes.at(each.at("index")) = {value_or<json>(each, "id", nullptr).dump(), each.at("name")};
    auto& input = all.at("input");
    metadata.input_name = input.at("name");
    metadata.layout = input.at("layout");
    metadata.bytes = input.at("dtype") == "uint8";
    metadata.bgr = value_or<std::string>(input, "color", "RGB") == "BGR";
    std::vector<int> shape = input.at("shape");
    size_t height = metadata.layout == "HWC" ? 0 : metadata.layout == "NHWC" ? 1 : 2;
    metadata.free_size = shape.at(height) == -1 || shape.at(height + 1) == -1;
    auto& prepare = all.at("preprocess");
    metadata.prepared_by_graph = prepare.at("included");
    metadata.resize = parse_resize(prepare.at("resize"));
    metadata.scale = prepare.at("scale");
    metadata.mean = prepare.at("mean");
    metadata.std = prepare.at("std");
    for (auto& output : all.at("outputs")) metadata.outputs.push_back({output.at("name"), output.at("kind")});
    metadata.rules = parse_rules(all.at("postprocess"));
    return metadata;
}

}  // namespace

Metadata parse_metadata(const std::string& text, const std::string& where) {
    try {
        return parse(json::parse(text));
    } catch (const std::exception& error) {
        throw std::runtime_error(where + " is no metadata that this wrapper reads: " + error.what());
    }
}

std::string read_text(const std::string& path) {
    std::ifstream file(path, std::ios::binary | std::ios::ate);
    if (!file) throw std::runtime_error(path + " cannot be read: unpack the whole package");
    if (file.tellg() > kMostBytes) throw std::runtime_error(path + " is larger than 16 MB");
    file.seekg(0);
    return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace model_wrapper
