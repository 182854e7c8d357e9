// Images as the trainer saw them: reading, and resizing with the frameworks' arithmetic.
#pragma once

#include <string>
#include <vector>

#include "model_wrapper.h"

namespace model_wrapper {

// The EXIF orientation of a JPEG or PNG, 1 to 8; 1 where there is none. The bytes are a stranger's.
int exif_orientation(const std::vector<uint8_t>& bytes);

Image turned(Image image, int orientation);

// With antialiasing as Pillow does it, without as OpenCV does: half-pixel centres.
Image resample(const Image& image, int width, int height, bool bicubic, bool antialias);

void write_png(const std::string& path, const Image& image);

}  // namespace model_wrapper
