// What of a spec must not be repeated in a message.
#pragma once

#include <string>
#include <vector>

#include "auto_label_image_grounding/spec/spec.h"

namespace alig {

// The API keys, the values of extra_headers (of 3 bytes or more), and the values in extra_body
// under names that tell of one ("password", "x-api-key", "client_secret"), or end in "key",
// "token", "auth" or "signature" and look like one: 8 characters with letters and digits. Servers
// repeat them when they refuse a request. Pure.
std::vector<std::string> secrets_of(const Spec& spec);

}  // namespace alig
