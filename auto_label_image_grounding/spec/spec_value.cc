#include "auto_label_image_grounding/spec/spec_value.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include <fmt/ranges.h>

#include "auto_label_image_grounding/base/json_text.h"
#include "auto_label_image_grounding/base/text.h"
#include "auto_label_image_grounding/spec/spec_tree.h"

namespace alig {
namespace {

std::string shown_value_of(const SpecKey& key, const SpecJson& value) {
  return key.secret ? "***" : shown_value(value);
}

// OmegaConf's conversions for structured configs; nothing where the value does not fit the type.
std::optional<SpecJson> convert(const SpecJson& value, KeyType type) {
  const bool text = value.is_string();
  const SpecJson plain = text ? resolve_plain_scalar(value.get<std::string>()) : value;
  switch (type) {
    case KeyType::kString:
      if (text) return value;
      if (value.is_null()) return SpecJson("");
      if (value.is_number() || value.is_boolean()) return SpecJson(json_text(value));
      return std::nullopt;
    case KeyType::kInt:
      if (plain.is_number_integer()) return plain;
      return std::nullopt;
    case KeyType::kFloat:
      if (plain.is_number() && std::isfinite(plain.get<double>()))
        return SpecJson(plain.get<double>());
      return std::nullopt;
    case KeyType::kBool:
      if (plain.is_boolean()) return plain;
      if (plain == 0 || plain == 1) return SpecJson(plain == 1);
      return std::nullopt;
    case KeyType::kList:
      if (value.is_array()) return value;
      return std::nullopt;
    case KeyType::kStringOrList:
      if (value.is_array()) return value;
      return convert(value, KeyType::kString);
    case KeyType::kDict:
      if (value.is_object()) return value;
      return value.is_null() ? std::optional(SpecJson::object()) : std::nullopt;
    case KeyType::kTexts:
      return convert(value, KeyType::kDict);
  }
  return std::nullopt;
}

// Elements of our lists are words; numbers are taken as such (steps: [0, 1]).
Result<SpecJson> words_of(const SpecJson& list) {
  SpecJson out = SpecJson::array();
  for (const SpecJson& element : list) {
    if (element.is_string()) {
      out.push_back(element);
    } else if (element.is_number_integer()) {
      out.push_back(json_text(element));
    } else {
      return fail(ErrorKind::kInvalidArgument, "an element is not a word");
    }
  }
  return out;
}

// Not quoted, a secret of digits would have lost its leading zeros.
Result<SpecJson> texts_of(const SpecJson& mapping) {
  SpecJson out = SpecJson::object();
  for (const auto& [name, value] : mapping.items()) {
    if (!value.is_string()) {
      return fail(ErrorKind::kInvalidArgument,
                  fmt::format("must hold texts, and \"{}\" is none: put its value in quotes",
                              shorten(name, 60)));
    }
    auto text = interpolate(value.get<std::string>());
    if (!text) return tl::unexpected(text.error());
    out[name] = std::move(*text);
  }
  return out;
}

// YAML reads a bare on or off as a boolean; for keys whose options they are, they are meant.
SpecJson option_of_switch(const SpecKey& key, const SpecJson& value) {
  const auto offers = [&](const char* word) {
    return std::find(key.options.begin(), key.options.end(), word) != key.options.end();
  };
  if (!offers("on") || !offers("off") || !value.is_string()) return value;
  const SpecJson plain = resolve_plain_scalar(value.get<std::string>());
  return plain.is_boolean() ? SpecJson(plain.get<bool>() ? "on" : "off") : value;
}

Status check_options(const SpecKey& key, const SpecJson& value) {
  if (key.options.empty()) return {};
  // get<>(): nlohmann-json 3.11 no longer compares a string with a document.
  const auto known = [&](const SpecJson& word) {
    return word.is_string() && std::find(key.options.begin(), key.options.end(),
                                         word.get<std::string>()) != key.options.end();
  };
  const bool good =
      value.is_array() ? std::all_of(value.begin(), value.end(), known) : known(value);
  if (good) return {};
  return fail(ErrorKind::kInvalidArgument,
              fmt::format("must be {} {}, not {}", value.is_array() ? "a list of" : "one of",
                          fmt::join(key.options, ", "), shown_value_of(key, value)));
}

Status check_range(const SpecKey& key, const SpecJson& value) {
  if (!value.is_number()) return {};
  const double number = value.get<double>();
  if (key.min && number < *key.min) {
    return fail(ErrorKind::kInvalidArgument,
                fmt::format("must be at least {}, not {}", *key.min, json_text(value)));
  }
  if (key.max && number > *key.max) {
    return fail(ErrorKind::kInvalidArgument,
                fmt::format("must be at most {}, not {}", *key.max, json_text(value)));
  }
  return {};
}

}  // namespace

Status store_value(Spec& spec, const SpecKey& key, SpecJson value) {
  if (value.is_string()) {
    auto text = interpolate(value.get<std::string>());
    if (!text) return tl::unexpected(text.error());
    value = *text;
    if (value == kMissing) {
      return fail(ErrorKind::kInvalidArgument, fmt::format("must be given (it is {})", kMissing));
    }
  }
  const auto converted = convert(value, key.type);
  if (!converted) {
    constexpr const char* kWanted[] = {"text",   "a whole number", "a number",  "true or false",
                                       "a list", "a mapping",      "a mapping", "text or a list"};
    return fail(ErrorKind::kInvalidArgument,
                fmt::format("must be {}, not {}", kWanted[static_cast<int>(key.type)],
                            shown_value_of(key, value)));
  }
  SpecJson good = *converted;
  if (good.is_array() || key.type == KeyType::kTexts) {
    auto elements = good.is_array() ? words_of(good) : texts_of(good);
    if (!elements) return tl::unexpected(elements.error());
    good = std::move(*elements);
  }
  good = option_of_switch(key, good);
  Status status = check_options(key, good);
  if (status) status = check_range(key, good);
  if (status) key.store(spec, good);
  return status;
}

std::string shown_value(const SpecJson& value) { return shorten(json_text(value), 60); }

}  // namespace alig
