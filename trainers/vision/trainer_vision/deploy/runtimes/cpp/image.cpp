#include "image.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fstream>
#include <iterator>
#include <stdexcept>

#define STB_IMAGE_IMPLEMENTATION
#define STB_IMAGE_WRITE_IMPLEMENTATION
#if __has_include(<stb/stb_image.h>)
#include <stb/stb_image.h>
#include <stb/stb_image_write.h>
#else
#include <stb_image.h>
#include <stb_image_write.h>
#endif

namespace model_wrapper {
namespace {

constexpr size_t kMostBytes = 512u << 20;
constexpr int64_t kMostPixels = 300'000'000;

// Reads numbers of either byte order and never beyond the end.
struct Reader {
    const std::vector<uint8_t>& bytes;
    bool little;
    uint32_t number(size_t at, int size) const {
        if (at > bytes.size() || bytes.size() - at < static_cast<size_t>(size)) return 0;
        uint32_t value = 0;
        for (int i = 0; i < size; i++) value |= static_cast<uint32_t>(bytes[at + i]) << 8 * (little ? i : size - 1 - i);
        return value;
    }
};

// The orientation of the TIFF header at a place.
int tiff_orientation(const std::vector<uint8_t>& bytes, size_t start) {
    if (start + 8 > bytes.size()) return 1;
    Reader read{bytes, bytes[start] == 'I'};
    size_t directory = start + read.number(start + 4, 4);
    uint32_t entries = read.number(directory, 2);
    for (uint32_t i = 0; i < entries; i++) {
        size_t entry = directory + 2 + 12 * static_cast<size_t>(i);
        if (entry + 12 > bytes.size()) return 1;
        if (read.number(entry, 2) != 0x112) continue;
        uint32_t value = read.number(entry + 8, 2);
        return value >= 1 && value <= 8 ? static_cast<int>(value) : 1;
    }
    return 1;
}

int png_orientation(const std::vector<uint8_t>& bytes) {
    Reader read{bytes, false};
    for (size_t at = 8; at + 12 <= bytes.size(); at += 12 + static_cast<size_t>(read.number(at, 4)))
        if (std::memcmp(&bytes[at + 4], "eXIf", 4) == 0) return tiff_orientation(bytes, at + 8);
    return 1;
}

int jpeg_orientation(const std::vector<uint8_t>& bytes) {
    Reader read{bytes, false};
    for (size_t at = 2; at + 10 <= bytes.size() && bytes[at] == 0xFF && bytes[at + 1] != 0xDA; at += 2 + std::max<size_t>(2, read.number(at + 2, 2)))
        if (bytes[at + 1] == 0xE1 && std::memcmp(&bytes[at + 4], "Exif\0\0", 6) == 0) return tiff_orientation(bytes, at + 10);
    return 1;
}

// One pixel of the result along one axis: which pixels it is made of.
struct Taps {
    int first;
    std::vector<float> weights;
};

double weight(double x, bool bicubic) {
    x = std::abs(x);
    if (!bicubic) return x < 1 ? 1 - x : 0;
    constexpr double a = -0.5;
    if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
    return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0;
}

std::vector<Taps> taps(int old_size, int new_size, bool bicubic, bool antialias) {
    std::vector<Taps> all(new_size);
    double scale = static_cast<double>(old_size) / new_size;
    if (!antialias && !bicubic) {
        for (int i = 0; i < new_size; i++) {
            double at = std::clamp((i + 0.5) * scale - 0.5, 0.0, old_size - 1.0);
            int low = static_cast<int>(at);
            float d = static_cast<float>(at - low);
            all[i] = low + 1 < old_size ? Taps{low, {1 - d, d}} : Taps{low, {1}};
        }
        return all;
    }
    double widened = std::max(scale, 1.0), support = (bicubic ? 2 : 1) * widened;
    for (int i = 0; i < new_size; i++) {
        double centre = (i + 0.5) * scale, sum = 0;
        int first = std::max(0, static_cast<int>(centre - support + 0.5)), last = std::min(old_size, static_cast<int>(centre + support + 0.5));
        std::vector<double> weights;
        for (int x = first; x < last; x++) {
            weights.push_back(weight((x - centre + 0.5) / widened, bicubic));
            sum += weights.back();
        }
        all[i].first = first;
        for (double w : weights) all[i].weights.push_back(static_cast<float>(w / sum));
    }
    return all;
}

float to_byte(float value) { return std::clamp(std::nearbyint(value), 0.0f, 255.0f); }

}  // namespace

int exif_orientation(const std::vector<uint8_t>& bytes) {
    if (bytes.size() > 8 && std::memcmp(bytes.data(), "\x89PNG", 4) == 0) return png_orientation(bytes);
    return bytes.size() > 4 && bytes[0] == 0xFF && bytes[1] == 0xD8 ? jpeg_orientation(bytes) : 1;
}

Image turned(Image image, int orientation) {
    if (orientation < 2 || orientation > 8) return image;
    bool swapped = orientation > 4;
    Image out{swapped ? image.height : image.width, swapped ? image.width : image.height, std::vector<uint8_t>(image.rgb.size())};
    for (int y = 0; y < out.height; y++)
        for (int x = 0; x < out.width; x++) {
            int u = swapped ? y : x, v = swapped ? x : y;  // columns and rows of the stored image, before mirroring
            if (orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8) u = image.width - 1 - u;
            if (orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7) v = image.height - 1 - v;
            std::memcpy(&out.rgb[(static_cast<size_t>(y) * out.width + x) * 3], &image.rgb[(static_cast<size_t>(v) * image.width + u) * 3], 3);
        }
    return out;
}

Image read_image(const std::string& path) {
    std::ifstream file(path, std::ios::binary | std::ios::ate);
    if (!file || static_cast<size_t>(file.tellg()) > kMostBytes) throw std::runtime_error("the image " + path + " cannot be read, or is larger than 512 MB");
    std::vector<uint8_t> bytes(static_cast<size_t>(file.tellg()));
    file.seekg(0).read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    int width = 0, height = 0, channels = 0, length = static_cast<int>(bytes.size());
    if (!stbi_info_from_memory(bytes.data(), length, &width, &height, &channels)) throw std::runtime_error("the image " + path + " cannot be read: it is none, or of a kind that this wrapper does not know (PNG, JPEG, BMP, GIF, TGA are)");
    if (static_cast<int64_t>(width) * height > kMostPixels) throw std::runtime_error("the image " + path + " has more than 300 million pixels");
    std::unique_ptr<uint8_t, void (*)(void*)> pixels(stbi_load_from_memory(bytes.data(), length, &width, &height, &channels, 3), stbi_image_free);
    if (!pixels) throw std::runtime_error("the image " + path + " cannot be read: " + stbi_failure_reason());
    Image image{width, height, std::vector<uint8_t>(pixels.get(), pixels.get() + static_cast<size_t>(width) * height * 3)};
    return turned(std::move(image), exif_orientation(bytes));
}

Image resample(const Image& image, int width, int height, bool bicubic, bool antialias) {
    if (image.width == width && image.height == height) return image;
    bool rounded = antialias || bicubic;  // Pillow rounds between its two passes
    auto columns = taps(image.width, width, bicubic, antialias), rows = taps(image.height, height, bicubic, antialias);
    std::vector<float> middle(static_cast<size_t>(image.height) * width * 3);
    for (int y = 0; y < image.height; y++)
        for (int x = 0; x < width; x++)
            for (int c = 0; c < 3; c++) {
                float sum = 0;
                const uint8_t* from = &image.rgb[(static_cast<size_t>(y) * image.width + columns[x].first) * 3 + c];
                for (size_t k = 0; k < columns[x].weights.size(); k++) sum += columns[x].weights[k] * from[k * 3];
                middle[(static_cast<size_t>(y) * width + x) * 3 + c] = rounded ? to_byte(sum) : sum;
            }
    Image out{width, height, std::vector<uint8_t>(static_cast<size_t>(width) * height * 3)};
    size_t stride = static_cast<size_t>(width) * 3;
    for (int y = 0; y < height; y++)
        for (size_t i = 0; i < stride; i++) {
            float sum = 0;
            for (size_t k = 0; k < rows[y].weights.size(); k++) sum += rows[y].weights[k] * middle[(rows[y].first + k) * stride + i];
            out.rgb[y * stride + i] = static_cast<uint8_t>(to_byte(sum));
        }
    return out;
}

void write_png(const std::string& path, const Image& image) {
    if (!stbi_write_png(path.c_str(), image.width, image.height, 3, image.rgb.data(), image.width * 3)) throw std::runtime_error(path + " cannot be written");
}

}  // namespace model_wrapper
