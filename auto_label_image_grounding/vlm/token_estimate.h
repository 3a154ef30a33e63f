// What a request costs before the endpoint says so: guesses for pacing and planning, never for
// billing.
#pragma once

#include "auto_label_image_grounding/data/annotation.h"
#include "auto_label_image_grounding/vlm/coordinates.h"

namespace alig {

// `sent`: the image as the model sees it, in pixels.
double estimate_image_tokens(const ModelFamily& family, const ImageSize& sent);

// Four characters a token, as English text has it.
double estimate_text_tokens(double characters);

}  // namespace alig
