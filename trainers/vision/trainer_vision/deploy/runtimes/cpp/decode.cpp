#include "decode.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <stdexcept>

namespace model_wrapper {
namespace {

constexpr size_t kCandidates = 30000;  // boxes that suppression looks at, best first

using Outputs = std::map<std::string, const Tensor*>;

// A row of a detector, and where to find what rides along.
struct Row {
    std::array<float, 4> box;
    float score;
    int index;
    const float* keypoints = nullptr;
    const float* coefficients = nullptr;
    const float* mask = nullptr;
};

const Tensor* find(const Outputs& outputs, const std::string& kind) {
    auto found = outputs.find(kind);
    return found == outputs.end() ? nullptr : found->second;
}

const Tensor& need(const Outputs& outputs, const std::string& kind) {
    auto found = find(outputs, kind);
    if (!found) throw std::runtime_error("metadata.json names no output of the kind " + kind);
    return *found;
}

// The n-th row of a tensor of `count` rows.
const float* row_of(const Tensor* tensor, size_t n, size_t count) {
    return tensor && count ? &tensor->values.at(n * (tensor->values.size() / count)) : nullptr;
}

std::array<float, 4> corners(const float* v, bool centre_size) {
    if (!centre_size) return {v[0], v[1], v[2], v[3]};
    return {v[0] - v[2] / 2, v[1] - v[3] / 2, v[0] + v[2] / 2, v[1] + v[3] / 2};
}

float iou(const std::array<float, 4>& a, const std::array<float, 4>& b) {
    float w = std::min(a[2], b[2]) - std::max(a[0], b[0]), h = std::min(a[3], b[3]) - std::max(a[1], b[1]);
    float shared = std::max(0.0f, w) * std::max(0.0f, h);
    float areas = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]);
    return shared / std::max(areas - shared, 1e-9f);
}

void activate(float* values, size_t count, const std::string& activation) {
    if (activation == "sigmoid")
        for (size_t i = 0; i < count; i++) values[i] = 1 / (1 + std::exp(-values[i]));
    if (activation != "softmax") return;
    float most = *std::max_element(values, values + count), sum = 0;
    for (size_t i = 0; i < count; i++) sum += values[i] = std::exp(values[i] - most);
    for (size_t i = 0; i < count; i++) values[i] /= sum;
}

std::vector<Row> suppress(std::vector<Row> rows, const Rules& rules) {
    rows.erase(std::remove_if(rows.begin(), rows.end(), [&](const Row& row) { return !(row.score > rules.confidence); }), rows.end());
    std::stable_sort(rows.begin(), rows.end(), [](const Row& a, const Row& b) { return a.score > b.score; });
    if (rows.size() > kCandidates) rows.resize(kCandidates);
    std::vector<Row> kept;
    for (auto& row : rows) {
        if (static_cast<int>(kept.size()) >= rules.most) break;
        bool covered = std::any_of(kept.begin(), kept.end(), [&](const Row& other) { return other.index == row.index && iou(other.box, row.box) > rules.overlap; });
        if (!covered) kept.push_back(row);
    }
    return kept;
}

// Rows that the graph chose; those without a score are padding.
std::vector<Row> ready(const Outputs& outputs, const Rules& rules) {
    auto &boxes = need(outputs, "boxes"), &scores = need(outputs, "scores"), &classes = need(outputs, "classes");
    size_t count = scores.values.size(), used = count;
    if (boxes.values.size() != 4 * count || classes.values.size() != count) throw std::runtime_error("the model gives different numbers of boxes, scores and classes");
    if (auto said = find(outputs, "count")) used = std::min<size_t>(count, static_cast<size_t>(said->values.at(0)));
    std::vector<Row> rows;
    for (size_t i = 0; i < used; i++)
        if (scores.values[i] > 0)
            rows.push_back({corners(&boxes.values[4 * i], rules.centre_size), scores.values[i], static_cast<int>(classes.values[i]), row_of(find(outputs, "keypoints"), i, count), row_of(find(outputs, "mask_coefficients"), i, count), row_of(find(outputs, "masks"), i, count)});
    return rows;
}

// All that the network proposes; suppression is ours.
std::vector<Row> rough(const Outputs& outputs, const Rules& rules, size_t classes, bool centre_size) {
    auto &boxes = need(outputs, "boxes"), &scores = need(outputs, "scores");
    size_t count = boxes.values.size() / 4;
    if (scores.values.size() != count * classes) throw std::runtime_error("the model gives " + std::to_string(scores.values.size()) + " scores for " + std::to_string(count) + " boxes and " + std::to_string(classes) + " classes");
    std::vector<Row> rows;
    std::vector<float> each(classes);
    for (size_t i = 0; i < count; i++) {
        std::copy_n(&scores.values[i * classes], classes, each.begin());
        activate(each.data(), classes, rules.activation);
        auto best = std::max_element(each.begin(), each.end());
        rows.push_back({corners(&boxes.values[4 * i], centre_size), *best, static_cast<int>(best - each.begin()), row_of(find(outputs, "keypoints"), i, count), row_of(find(outputs, "mask_coefficients"), i, count)});
    }
    return suppress(std::move(rows), rules);
}

// Rows of a head that needs no suppression: box, score, class, and what rides along.
std::vector<Row> chosen(const Tensor& raw, const Rules& rules, bool masks) {
    size_t fields = raw.shape.empty() ? 0 : raw.shape.back();
    if (fields < 6) throw std::runtime_error("the model's raw output has fewer than six values a row");
    std::vector<Row> rows;
    for (size_t at = 0; at + fields <= raw.values.size() && static_cast<int>(rows.size()) < rules.most; at += fields) {
        const float* row = &raw.values[at];
        if (!(row[4] > rules.confidence)) continue;
        rows.push_back({corners(row, false), row[4], static_cast<int>(row[5])});
        if (rules.keypoint_shape[0] > 0 && fields >= 6 + static_cast<size_t>(rules.keypoint_shape[0]) * rules.keypoint_shape[1]) rows.back().keypoints = row + 6;
        else if (masks && fields > 6) rows.back().coefficients = row + 6;
    }
    return rows;
}

// A raw output has a column a candidate: centre, size, scores, and what rides along.
std::map<std::string, Tensor> split(const Tensor& raw, size_t classes, bool keypoints) {
    if (raw.shape.size() < 2) throw std::runtime_error("the model's raw output has fewer than two dimensions");
    size_t fields = raw.shape[raw.shape.size() - 2], count = raw.shape.back();
    if (fields < 4 + classes) throw std::runtime_error("the model's raw output has fewer rows than classes");
    auto part = [&](size_t from, size_t to) {
        Tensor out{{static_cast<int64_t>(count), static_cast<int64_t>(to - from)}, {}, false};
        for (size_t i = 0; i < count; i++)
            for (size_t f = from; f < to; f++) out.values.push_back(raw.values[f * count + i]);
        return out;
    };
    std::map<std::string, Tensor> parts{{"boxes", part(0, 4)}, {"scores", part(4, 4 + classes)}};
    if (fields > 4 + classes) parts[keypoints ? "keypoints" : "mask_coefficients"] = part(4 + classes, fields);
    return parts;
}

// Two neighbours of a place and how far it is from the first.
struct Between {
    int low, high;
    float part;
    Between(double at, int size) {
        at = std::clamp(at, 0.0, size - 1.0);
        low = static_cast<int>(at);
        high = std::min(low + 1, size - 1);
        part = static_cast<float>(at - low);
    }
};

// The prototypes' sum, sampled bilinearly at the centre of every pixel inside the box.
Mask mask_of(const float* coefficients, const Tensor& prototypes, const std::array<float, 4>& box, const Placement& seen, const Metadata& metadata) {
    int h = static_cast<int>(prototypes.shape[prototypes.shape.size() - 2]), w = static_cast<int>(prototypes.shape.back());
    size_t plane = static_cast<size_t>(h) * w;
    std::vector<float> logits(plane, 0.0f);
    for (size_t m = 0; m < prototypes.values.size() / plane; m++)
        for (size_t i = 0; i < plane; i++) logits[i] += coefficients[m] * prototypes.values[m * plane + i];
    float threshold = std::log(metadata.rules.mask_threshold / (1 - metadata.rules.mask_threshold));
    Mask mask{static_cast<int>(std::ceil(box[0])), static_cast<int>(std::ceil(box[1])), 0, 0, {}};
    mask.width = std::max(0, static_cast<int>(std::ceil(box[2])) - mask.left);
    mask.height = std::max(0, static_cast<int>(std::ceil(box[3])) - mask.top);
    double to_x = static_cast<double>(w) / metadata.resize.width, to_y = static_cast<double>(h) / metadata.resize.height;
    for (int y = 0; y < mask.height; y++) {
        Between row((seen.scale_y * (mask.top + y + 0.5) + seen.offset_y) * to_y - 0.5, h);
        for (int x = 0; x < mask.width; x++) {
            Between column((seen.scale_x * (mask.left + x + 0.5) + seen.offset_x) * to_x - 0.5, w);
            auto at = [&](int r, int c) { return logits[static_cast<size_t>(r) * w + c]; };
            float left = at(row.low, column.low) * (1 - row.part) + at(row.high, column.low) * row.part;
            float right = at(row.low, column.high) * (1 - row.part) + at(row.high, column.high) * row.part;
            mask.inside.push_back(left * (1 - column.part) + right * column.part > threshold);
        }
    }
    return mask;
}

// A mask that the graph made, in pixels of the image.
Mask whole_mask(const float* values, const Tensor& masks, float threshold) {
    Mask mask{0, 0, static_cast<int>(masks.shape.back()), static_cast<int>(masks.shape[masks.shape.size() - 2]), {}};
    for (size_t i = 0; i < static_cast<size_t>(mask.width) * mask.height; i++) mask.inside.push_back(values[i] > (masks.whole_numbers ? 0 : threshold));
    return mask;
}

// The rows of any kind of detector; parts keeps what they point to.
std::vector<Row> rows_of(const Metadata& metadata, Outputs& outputs, std::map<std::string, Tensor>& parts) {
    auto& rules = metadata.rules;
    if (rules.included) return ready(outputs, rules);
    auto raw = find(outputs, "raw");
    if (raw && rules.chosen_rows) return chosen(*raw, rules, find(outputs, "mask_prototypes"));
    if (raw) {
        parts = split(*raw, metadata.classes.size(), rules.keypoint_shape[0] > 0);
        for (auto& [kind, tensor] : parts) outputs[kind] = &tensor;
    }
    return rough(outputs, rules, metadata.classes.size(), raw || rules.centre_size);
}

Detection detection(const Row& row, const Outputs& outputs, const Metadata& metadata, const Placement& given, const Placement& seen, int width, int height) {
    if (row.index < 0 || row.index >= static_cast<int>(metadata.classes.size())) throw std::runtime_error("the model answers with class " + std::to_string(row.index) + ", metadata.json has " + std::to_string(metadata.classes.size()));
    auto to_x = [&](float x) { return static_cast<float>(std::clamp(metadata.rules.in_input_pixels ? (x - given.offset_x) / given.scale_x : x, 0.0, static_cast<double>(width))); };
    auto to_y = [&](float y) { return static_cast<float>(std::clamp(metadata.rules.in_input_pixels ? (y - given.offset_y) / given.scale_y : y, 0.0, static_cast<double>(height))); };
    Detection found;
    found.bbox = {to_x(row.box[0]), to_y(row.box[1]), to_x(row.box[2]), to_y(row.box[3])};
    found.confidence = row.score;
    found.class_index = row.index;
    found.class_id = metadata.classes[row.index].id;
    found.class_name = metadata.classes[row.index].name;
    auto [points, values] = metadata.rules.keypoint_shape;
    for (int i = 0; row.keypoints && i < points; i++) {
        const float* point = row.keypoints + i * values;
        found.keypoints.push_back({to_x(point[0]), to_y(point[1]), values > 2 ? point[2] : 1.0f});
    }
    if (row.mask) found.mask = whole_mask(row.mask, need(outputs, "masks"), metadata.rules.mask_threshold);
    else if (row.coefficients) found.mask = mask_of(row.coefficients, need(outputs, "mask_prototypes"), found.bbox, seen, metadata);
    return found;
}

}  // namespace

Answer decode(const Metadata& metadata, const std::vector<Tensor>& tensors, const Placement& given, const Placement& seen, int width, int height) {
    if (tensors.size() != metadata.outputs.size()) throw std::runtime_error("the model has " + std::to_string(tensors.size()) + " outputs, metadata.json names " + std::to_string(metadata.outputs.size()));
    Answer answer{width, height, {}, {}};
    Outputs outputs;
    for (size_t i = 0; i < tensors.size(); i++) outputs[metadata.outputs[i].kind] = &tensors[i];
    for (auto kind : {"probabilities", "logits"})
        if (auto found = find(outputs, kind)) {
            answer.probabilities = found->values;
            if (std::string(kind) == "logits") activate(answer.probabilities.data(), answer.probabilities.size(), metadata.rules.activation);
            return answer;
        }
    std::map<std::string, Tensor> parts;
    for (auto& row : rows_of(metadata, outputs, parts)) answer.objects.push_back(detection(row, outputs, metadata, given, seen, width, height));
    return answer;
}

}  // namespace model_wrapper
