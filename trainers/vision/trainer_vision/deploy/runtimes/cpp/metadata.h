// metadata.json as the wrapper uses it.
#pragma once

#include <array>
#include <string>
#include <vector>

namespace model_wrapper {

struct Class {
    std::string id;  // the platform's, as JSON
    std::string name;
};

struct Resize {
    std::string mode;  // letterbox, stretch, shortest_crop
    int width = 0, height = 0, shortest = 0;
    bool bicubic = false, antialias = false, centred = true;
    int pad = 0;
};

struct Output {
    std::string name, kind;
};

struct Rules {
    bool included = false, in_input_pixels = true, centre_size = false;
    bool chosen_rows = false;  // the raw output has a row an object: box, score, class, and what rides along
    float confidence = 0, overlap = 1, mask_threshold = 0.5f;
    int most = 300;
    std::string activation;
    std::array<int, 2> keypoint_shape{0, 0};
};

struct Metadata {
    std::string file, format;
    std::vector<Class> classes;
    std::string input_name, layout;
    bool bytes = false, bgr = false, free_size = false;
    bool prepared_by_graph = false;
    Resize resize;
    std::array<float, 3> scale{}, mean{}, std{};
    std::vector<Output> outputs;
    Rules rules;
};

// Throws where the text is none of ours; `where` names it.
Metadata parse_metadata(const std::string& text, const std::string& where);

// A file of at most 16 MB.
std::string read_text(const std::string& path);

}  // namespace model_wrapper
