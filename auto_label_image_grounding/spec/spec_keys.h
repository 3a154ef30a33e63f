// Internal to spec/: the table of keys.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "auto_label_image_grounding/spec/spec.h"

namespace alig {

using SpecJson = nlohmann::ordered_json;

// vlm.gemini.base_url where nothing else is given, without and with vlm.gemini.vertex.
inline constexpr const char* kGeminiPlace = "https://generativelanguage.googleapis.com";
inline constexpr const char* kVertexPlace = "https://aiplatform.googleapis.com";

// kTexts: name -> text.
enum class KeyType { kString, kInt, kFloat, kBool, kList, kDict, kTexts, kStringOrList };

struct SpecKey {
  std::string path;  // below image_grounding
  KeyType type;
  SpecJson default_value;
  std::string description;
  std::function<void(Spec&, const SpecJson&)> store;  // gets a value of the key's type
  std::vector<std::string> options = {};              // of a string, or of the elements of a list
  std::optional<double> min = {};
  std::optional<double> max = {};
  bool secret = false;   // its value is never shown
  bool ignored = false;  // the stock pipeline's; any value is accepted and ignored
};

// In the order shown to users.
const std::vector<SpecKey>& spec_keys();
const SpecKey* find_key(std::string_view path);

// "str", "int", "float", "bool", "list", "dict", "str_or_list"
const char* name_of(KeyType type);

}  // namespace alig
