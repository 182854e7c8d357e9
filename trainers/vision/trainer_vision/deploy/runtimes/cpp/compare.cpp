#include "compare.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <nlohmann/json.hpp>
#include <stdexcept>

namespace model_wrapper {
namespace {

using nlohmann::json;

// COCO's uncompressed runs: column by column, beginning with zeros.
std::vector<int64_t> runs_of(const Mask& mask, int width, int height) {
    std::vector<int64_t> counts;
    bool inside = false;
    int64_t length = 0;
    for (int x = 0; x < width; x++)
        for (int y = 0; y < height; y++) {
            bool within = x >= mask.left && x < mask.left + mask.width && y >= mask.top && y < mask.top + mask.height;
            bool value = within && mask.inside[static_cast<size_t>(y - mask.top) * mask.width + (x - mask.left)];
            if (value != inside) {
                counts.push_back(length);
                length = 0;
                inside = value;
            }
            length++;
        }
    counts.push_back(length);
    return counts;
}

std::vector<bool> from_runs(const json& mask) {
    int64_t size = mask.at("size").at(0).get<int64_t>() * mask.at("size").at(1).get<int64_t>();
    std::vector<bool> pixels;
    bool value = false;
    for (int64_t count : mask.at("counts")) {
        if (count < 0 || static_cast<int64_t>(pixels.size()) + count > size) throw std::runtime_error("a mask's runs are longer than its image");
        pixels.insert(pixels.end(), count, value);
        value = !value;
    }
    pixels.resize(size);
    return pixels;
}

double mask_iou(const json& a, const json& b) {
    auto first = from_runs(a), second = from_runs(b);
    size_t both = 0, any = 0;
    for (size_t i = 0; i < std::min(first.size(), second.size()); i++) {
        both += first[i] && second[i];
        any += first[i] || second[i];
    }
    return any ? static_cast<double>(both) / any : 1;
}

double box_iou(const json& first, const json& second) {
    auto a = first.get<std::array<double, 4>>(), b = second.get<std::array<double, 4>>();
    double w = std::min(a[2], b[2]) - std::max(a[0], b[0]), h = std::min(a[3], b[3]) - std::max(a[1], b[1]);
    auto area = [](const std::array<double, 4>& v) { return (v[2] - v[0]) * (v[3] - v[1]); };
    double shared = std::max(0.0, w) * std::max(0.0, h);
    return shared / std::max(area(a) + area(b) - shared, 1e-9);
}

double worst(const json& a, const json& b, size_t most) {
    double found = a.size() == b.size() ? 0 : INFINITY;
    for (size_t i = 0; i < std::min({a.size(), b.size(), most}); i++) found = std::max(found, std::abs(a[i].get<double>() - b[i].get<double>()));
    return found;
}

std::vector<std::string> compare_object(const json& want, const json& got, const json& bound) {
    std::vector<std::string> wrong;
    auto limit = [&](double value, const char* key, const char* what) {
        if (!(value <= bound.at(key).get<double>())) wrong.push_back(std::string(what) + " differs by " + std::to_string(value) + ", more than " + bound.at(key).dump());
    };
    limit(worst(want.at("bbox"), got.at("bbox"), 4), "pixels", "the box");
    limit(std::abs(want.at("confidence").get<double>() - got.at("confidence").get<double>()), "score", "the confidence");
    auto has = [](const json& object, const char* key) { return object.contains(key) && !object.at(key).is_null(); };
    if (has(want, "keypoints")) {
        auto &a = want.at("keypoints"), &b = got.at("keypoints");
        for (size_t i = 0; i < a.size(); i++) limit(i < b.size() ? worst(a[i], b[i], 2) : INFINITY, "pixels", "a keypoint");
    }
    if (has(want, "mask")) {
        double shared = has(got, "mask") ? mask_iou(want.at("mask"), got.at("mask")) : 0;
        if (!(shared >= bound.at("mask_iou").get<double>())) wrong.push_back("the masks share " + std::to_string(shared) + ", less than " + bound.at("mask_iou").dump());
    }
    return wrong;
}

}  // namespace

std::string to_json(const Answer& answer, const std::string& image) {
    json all{{"width", answer.width}, {"height", answer.height}};
    if (!image.empty()) all["image"] = image;
    if (!answer.probabilities.empty()) {
        all["probabilities"] = answer.probabilities;
        return all.dump(-1, ' ', false, json::error_handler_t::replace);
    }
    all["objects"] = json::array();
    for (auto& found : answer.objects) {
        json object{{"class_index", found.class_index}, {"class_id", json::parse(found.class_id)}, {"class_name", found.class_name}, {"confidence", found.confidence}, {"bbox", found.bbox}, {"keypoints", nullptr}, {"mask", nullptr}};
        if (!found.keypoints.empty()) object["keypoints"] = json::array();
        for (auto& point : found.keypoints) object["keypoints"].push_back({point.x, point.y, point.confidence});
        if (found.mask) object["mask"] = {{"size", {answer.height, answer.width}}, {"counts", runs_of(*found.mask, answer.width, answer.height)}};
        all["objects"].push_back(object);
    }
    return all.dump(-1, ' ', false, json::error_handler_t::replace);
}

std::vector<std::string> compare(const std::string& expected, const std::string& found) {
    json want = json::parse(expected), got = json::parse(found);
    json bound{{"pixels", 0.5}, {"score", 0.01}, {"probability", 0.001}, {"mask_iou", 0.95}};
    if (want.contains("tolerance")) bound.update(want["tolerance"]);
    if (want.contains("probabilities")) {
        double difference = worst(want["probabilities"], got.value("probabilities", json::array()), SIZE_MAX);
        if (difference <= bound["probability"].get<double>()) return {};
        return {"a probability differs by " + std::to_string(difference) + ", more than " + bound["probability"].dump()};
    }
    std::vector<std::string> wrong;
    auto left = got.value("objects", json::array()).get<std::vector<json>>();
    if (left.size() != want.at("objects").size()) wrong.push_back(std::to_string(want["objects"].size()) + " objects expected, " + std::to_string(left.size()) + " found");
    for (size_t i = 0; i < want["objects"].size(); i++) {
        auto& object = want["objects"][i];
        auto best = left.end();
        for (auto it = left.begin(); it != left.end(); ++it)
            if (it->at("class_index") == object.at("class_index") && (best == left.end() || box_iou(object.at("bbox"), it->at("bbox")) > box_iou(object.at("bbox"), best->at("bbox")))) best = it;
        std::string name = "object " + std::to_string(i) + ": ";
        if (best == left.end()) {
            wrong.push_back(name + "none of its class found");
            continue;
        }
        for (auto& text : compare_object(object, *best, bound)) wrong.push_back(name + text);
        left.erase(best);
    }
    return wrong;
}

std::string image_of(const std::string& expected) { return json::parse(expected).at("image"); }

}  // namespace model_wrapper
