// The two wire formats that the demo teacher speaks, and what it answers. Pure but for its eyes.
#pragma once

#include <optional>
#include <string>

#include <nlohmann/json.hpp>

#include "eyes.h"

namespace demo {

struct Reply {
  int status = 200;
  nlohmann::ordered_json body;
  nlohmann::ordered_json log;  // what was asked, for --requests-log
};

struct Teaching {
  EyeKind eyes = EyeKind::kAuto;
  std::string family;        // answer like this model, whatever name is requested; "": by name
  std::string refused_type;  // images of this MIME type are refused, like some servers do
};

// POST …/chat/completions
Reply answer_openai(const std::string& body, const Teaching& teaching);
// POST …/models/{model}:generateContent
Reply answer_gemini(const std::string& model, const std::string& body, const Teaching& teaching);

nlohmann::ordered_json openai_error(const std::string& message, const char* code);
nlohmann::ordered_json gemini_error(int code, const std::string& message, const char* status);

}  // namespace demo
