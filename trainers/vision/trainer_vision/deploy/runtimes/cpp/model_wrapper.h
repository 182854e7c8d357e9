// Runs an exported model as its metadata.json says, from an image to boxes, masks, keypoints or probabilities.
//
//     model_wrapper::ModelWrapper model("../..");            // the package's folder, or a model file in it
//     for (auto& found : model.predict(model_wrapper::read_image("image.jpg")).objects) ...
//
// Everything about the model stands in metadata.json; nothing here knows a framework. Errors are std::runtime_error.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace model_wrapper {

// 8 bits a channel, row by row, upright.
struct Image {
    int width = 0, height = 0;
    std::vector<uint8_t> rgb;
};

// Which pixels of an image belong to an object: a rectangle of them.
struct Mask {
    int left = 0, top = 0, width = 0, height = 0;
    std::vector<uint8_t> inside;  // 0 or 1
};

struct Keypoint {
    float x, y, confidence;
};

// One object. Coordinates are pixels of the upright image.
struct Detection {
    std::array<float, 4> bbox;  // x1, y1, x2, y2
    float confidence = 0;
    int class_index = 0;
    std::string class_id;  // the platform's, as JSON; "null" where there is none
    std::string class_name;
    std::vector<Keypoint> keypoints;
    std::optional<Mask> mask;
};

struct Answer {
    int width = 0, height = 0;
    std::vector<Detection> objects;
    std::vector<float> probabilities;  // one a class, of a classifier
};

// PNG, JPEG, BMP and more: EXIF orientation is applied, transparency dropped, 16 bits scaled to 8.
Image read_image(const std::string& path);

// One line, as every wrapper of the package prints it.
std::string to_json(const Answer& answer, const std::string& image = "");

class ModelWrapper {
public:
    explicit ModelWrapper(const std::string& path);
    ~ModelWrapper();
    Answer predict(const Image& image);
    // What differs from the trainer's answer for the golden image; nothing when all is well.
    std::vector<std::string> selftest();

private:
    struct Parts;
    std::unique_ptr<Parts> parts;
};

}  // namespace model_wrapper
