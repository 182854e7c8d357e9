// Asks the model about images, or tests the package:
//     example image.jpg [more.png …] [--model ../..] [--draw out.png]
//     example --selftest [--model ../..]
// Prints one JSON object a line.
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <exception>
#include <string>

#include "image.h"
#include "model_wrapper.h"

using namespace model_wrapper;

namespace {

const uint8_t kPalette[][3] = {{230, 25, 75}, {60, 180, 75}, {67, 99, 216}, {245, 130, 49}, {145, 30, 180}, {0, 128, 128}, {154, 99, 36}, {128, 128, 0}};

void dot(Image& image, int x, int y, const uint8_t* colour, float share = 1) {
    if (x < 0 || y < 0 || x >= image.width || y >= image.height) return;
    uint8_t* pixel = &image.rgb[(static_cast<size_t>(y) * image.width + x) * 3];
    for (int c = 0; c < 3; c++) pixel[c] = static_cast<uint8_t>(pixel[c] * (1 - share) + colour[c] * share);
}

// The image with masks, boxes and keypoints.
Image drawn(Image image, const Answer& answer) {
    for (auto& found : answer.objects) {
        const uint8_t* colour = kPalette[found.class_index % 8];
        if (found.mask)
            for (int i = 0; i < found.mask->width * found.mask->height; i++)
                if (found.mask->inside[i]) dot(image, found.mask->left + i % found.mask->width, found.mask->top + i / found.mask->width, colour, 0.4f);
        auto [x1, y1, x2, y2] = found.bbox;
        for (int x = static_cast<int>(x1); x <= static_cast<int>(x2); x++) dot(image, x, static_cast<int>(y1), colour), dot(image, x, static_cast<int>(y2), colour);
        for (int y = static_cast<int>(y1); y <= static_cast<int>(y2); y++) dot(image, static_cast<int>(x1), y, colour), dot(image, static_cast<int>(x2), y, colour);
        for (auto& point : found.keypoints)
            for (int i = 0; i < 25; i++) dot(image, static_cast<int>(point.x) + i % 5 - 2, static_cast<int>(point.y) + i / 5 - 2, colour);
    }
    return image;
}

int selftest(ModelWrapper& model) {
    auto wrong = model.selftest();
    for (auto& text : wrong) std::fprintf(stderr, "selftest: %s\n", text.c_str());
    std::printf("selftest %s on the golden image\n", wrong.empty() ? "passed" : "FAILED");
    return wrong.empty() ? 0 : 1;
}

int run(int count, char** arguments) {
    std::string package = "../..", drawing;
    std::vector<std::string> images;
    bool testing = false;
    for (int i = 1; i < count; i++) {
        std::string argument = arguments[i];
        if (argument == "--selftest") testing = true;
        else if (argument == "--model" && i + 1 < count) package = arguments[++i];
        else if (argument == "--draw" && i + 1 < count) drawing = arguments[++i];
        else images.push_back(argument);
    }
    if (!testing && images.empty()) {
        std::fputs("usage: example IMAGE... [--model PACKAGE] [--draw OUT.png] | example --selftest [--model PACKAGE]\n", stderr);
        return 2;
    }
    ModelWrapper model(package);
    if (testing) return selftest(model);
    int failed = 0;
    for (auto& path : images) try {
        Image image = read_image(path);
        Answer answer = model.predict(image);
        std::printf("%s\n", to_json(answer, path).c_str());
        if (!drawing.empty()) write_png(drawing, drawn(image, answer));
    } catch (const std::exception& error) {
        std::fprintf(stderr, "error: %s\n", error.what());
        failed = 1;
    }
    return failed;
}

}  // namespace

int main(int count, char** arguments) {
    try {
        return run(count, arguments);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "error: %s\n", error.what());
        return 1;
    }
}
