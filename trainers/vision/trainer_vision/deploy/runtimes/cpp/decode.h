// From the answers of an engine to objects or probabilities.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "engine.h"
#include "metadata.h"
#include "model_wrapper.h"

namespace model_wrapper {

// Where the image lies in the model's input: input = image * scale + offset.
struct Placement {
    double scale_x = 1, scale_y = 1, offset_x = 0, offset_y = 0;
};

// given: where the image lies in what went into the model; seen: in what the network itself sees, to which prototypes belong.
Answer decode(const Metadata& metadata, const std::vector<Tensor>& outputs, const Placement& given, const Placement& seen, int width, int height);

}  // namespace model_wrapper
