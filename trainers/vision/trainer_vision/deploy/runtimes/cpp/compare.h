// Answers as JSON, and the comparison of two of them.
#pragma once

#include <string>
#include <vector>

#include "model_wrapper.h"

namespace model_wrapper {

// Differences beyond the tolerance that the expected answer names.
std::vector<std::string> compare(const std::string& expected, const std::string& found);

// The image that a golden answer belongs to.
std::string image_of(const std::string& expected);

}  // namespace model_wrapper
