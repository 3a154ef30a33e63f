#include "auto_label_image_grounding/spec/spec_tree.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <set>

#include <fmt/core.h>
#include <yaml-cpp/yaml.h>

#include "auto_label_image_grounding/base/text.h"

namespace alig {
namespace {

constexpr int kDeepest = 64;  // levels; extra_body is the only key that has any

bool is_one_of(const std::string& lower, std::initializer_list<const char*> words) {
  for (const char* word : words) {
    if (lower == word) return true;
  }
  return false;
}

// YAML 1.1 as PyYAML and OmegaConf read it, but for base 60 and octal: sign, digits with "_",
// fraction, exponent.
bool looks_like_number(std::string_view text) {
  const auto take = [&](std::string_view characters) {
    const std::size_t end = std::min(text.find_first_not_of(characters), text.size());
    const std::string_view taken = text.substr(0, end);
    text.remove_prefix(end);
    return taken.find_first_of("0123456789") != taken.npos;
  };
  const auto take_one = [&](std::string_view characters) {
    const bool there = !text.empty() && characters.find(text.front()) != characters.npos;
    if (there) text.remove_prefix(1);
    return there;
  };
  take_one("+-");
  const bool underscore_first = !text.empty() && text.front() == '_';
  bool digits = take("0123456789_");
  if (take_one(".")) digits |= take("0123456789_");
  if (!digits || underscore_first) return false;
  if (take_one("eE")) {
    take_one("+-");
    if (!take("0123456789")) return false;
  }
  return text.empty();
}

class YamlReader {
 public:
  explicit YamlReader(const SpecSource& source) : source_(source) {}

  Result<SpecTree> read() {
    try {
      const YAML::Node node = YAML::Load(source_.text);
      if (!node.IsNull()) {
        if (!node.IsMap()) return complain(node.Mark(), "the spec is not a mapping of keys");
        auto root = convert(node, "", 0);
        if (!root) return tl::unexpected(root.error());
        tree_.root = std::move(*root);
      }
      return std::move(tree_);
    } catch (const YAML::Exception& error) {
      return complain(error.mark, error.msg);
    } catch (const std::exception& error) {
      return complain(YAML::Mark::null_mark(), error.what());
    }
  }

 private:
  std::string place(const YAML::Mark& mark) const {
    if (mark.is_null()) return source_.name;
    return fmt::format("{}:{}", source_.name, mark.line + 1);
  }
  tl::unexpected<Error> complain(const YAML::Mark& mark, const std::string& message) const {
    const std::string column = mark.is_null() ? "" : fmt::format(":{}", mark.column + 1);
    return fail(ErrorKind::kInvalidArgument, fmt::format("{}{}: {}", place(mark), column, message));
  }

  Result<SpecJson> convert(const YAML::Node& node, const std::string& path, int depth) {
    // An alias may occur inside the node it names, giving an infinite tree.
    if (depth > kDeepest) return complain(node.Mark(), "the spec is nested too deeply");
    // Aliases may make a small file into an endless tree.
    constexpr int kMaxNodes = 100'000;
    if (++nodes_ > kMaxNodes) return complain(node.Mark(), "the spec is too large");
    if (!path.empty()) tree_.origins[path] = place(node.Mark());
    if (node.IsMap()) return convert_map(node, path, depth);
    if (node.IsSequence()) {
      SpecJson out = SpecJson::array();
      for (const YAML::Node& item : node) {
        auto value = convert(item, path, depth + 1);
        if (!value) return value;
        out.push_back(std::move(*value));
      }
      return out;
    }
    if (!node.IsScalar()) return SpecJson();
    // yaml-cpp marks quoted scalars with the tag "!".
    if (node.Tag() == "!" || node.Tag() == "tag:yaml.org,2002:str") return SpecJson(node.Scalar());
    return resolve_plain_scalar(node.Scalar());
  }

  Result<SpecJson> convert_map(const YAML::Node& node, const std::string& path, int depth) {
    SpecJson out = SpecJson::object();
    for (const auto& entry : node) {
      if (!entry.first.IsScalar()) return complain(entry.first.Mark(), "a key is not a word");
      const std::string key = entry.first.Scalar();
      if (out.contains(key)) {
        return complain(entry.first.Mark(), fmt::format("duplicate key \"{}\"", key));
      }
      const std::string inner = path.empty() ? key : path + "." + key;
      auto value = convert(entry.second, inner, depth + 1);
      if (!value) return value;
      tree_.origins[inner] = place(entry.first.Mark());
      out[key] = std::move(*value);
    }
    return out;
  }

  const SpecSource& source_;
  SpecTree tree_;
  int nodes_ = 0;
};

// One value of an override.
class OverrideValue {
 public:
  explicit OverrideValue(std::string_view text) : text_(text) {}

  Result<SpecJson> read() {
    skip_space();
    if (done()) return SpecJson("");
    auto value = is_quote(peek()) || peek() == '[' || peek() == '{' ? structured(0) : bare("");
    if (!value) return value;
    skip_space();
    if (!done()) {
      return complain(peek() == ',' ? "several values (a sweep) are not possible here; a list is "
                                      "written [a,b]"
                                    : "there is something behind the value");
    }
    return value;
  }

 private:
  static bool is_quote(char c) { return c == '"' || c == '\''; }
  bool done() const { return at_ >= text_.size(); }
  char peek() const { return done() ? '\0' : text_[at_]; }
  void skip_space() {
    while (peek() == ' ' || peek() == '\t') ++at_;
  }
  static tl::unexpected<Error> complain(const char* message) {
    return fail(ErrorKind::kInvalidArgument, message);
  }

  Result<SpecJson> structured(int depth) {
    if (depth > kDeepest) return complain("the value is nested too deeply");
    if (is_quote(peek())) return quoted();
    if (peek() == '[') return list(depth);
    if (peek() == '{') return dict(depth);
    return bare(",]}");  // URLs hold a colon
  }

  Result<SpecJson> quoted() {
    const char quote = text_[at_++];
    std::string out;
    for (; !done() && peek() != quote; ++at_) {
      if (peek() == '\\' && at_ + 1 < text_.size() &&
          (text_[at_ + 1] == quote || text_[at_ + 1] == '\\')) {
        ++at_;
      }
      out += peek();
    }
    if (done()) return complain("a quote is not closed");
    ++at_;
    return SpecJson(out);
  }

  Result<SpecJson> list(int depth) {
    SpecJson out = SpecJson::array();
    ++at_;
    for (skip_space(); peek() != ']'; skip_space()) {
      auto value = structured(depth + 1);
      if (!value) return value;
      out.push_back(std::move(*value));
      skip_space();
      if (peek() == ',') {
        ++at_;
      } else if (peek() != ']') {
        return complain("a list is not closed with ]");
      }
    }
    ++at_;
    return out;
  }

  Result<SpecJson> dict(int depth) {
    SpecJson out = SpecJson::object();
    ++at_;
    for (skip_space(); peek() != '}'; skip_space()) {
      auto key = is_quote(peek()) ? quoted() : plain(",]}:");
      if (!key) return key;
      skip_space();
      if (peek() != ':') return complain("a dict is written {key: value}");
      ++at_;
      skip_space();
      auto value = structured(depth + 1);
      if (!value) return value;
      out[key->get<std::string>()] = std::move(*value);
      skip_space();
      if (peek() == ',') {
        ++at_;
      } else if (peek() != '}') {
        return complain("a dict is not closed with }");
      }
    }
    ++at_;
    return out;
  }

  // Text without quotes up to one of `ends` (none at the top level, where ":" and "=" are text).
  Result<SpecJson> plain(std::string_view ends) {
    std::string out;
    for (; !done() && ends.find(peek()) == ends.npos; ++at_) {
      if (peek() == '\\' && at_ + 1 < text_.size()) {
        ++at_;
        out += peek();
        continue;
      }
      const bool interpolation = peek() == '$' && text_.substr(at_, 2) == "${";
      if (interpolation) {
        const std::size_t end = std::min(text_.find('}', at_), text_.size() - 1);
        out += text_.substr(at_, end - at_ + 1);
        at_ = end;
        continue;
      }
      if (ends.empty() && peek() == ',') break;
      out += peek();
    }
    const std::string text(trim(out));
    if (text.empty() && !ends.empty()) return complain("a value is missing");
    return SpecJson(text);
  }
  Result<SpecJson> bare(std::string_view ends) {
    auto text = plain(ends);
    return text ? resolve_plain_scalar(text->get<std::string>()) : text;
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

// What may be repeated of an override in a message: its key, never a value. A misspelled key may
// have an API key for its value, or the "=" may be missing.
std::string shown(const std::string& override_text) {
  const std::size_t end = std::min(override_text.find('='), end_of_secret_name(override_text));
  return shorten(override_text.substr(0, end), 100);
}

}  // namespace

std::string SpecTree::origin_of(const std::string& path) const {
  for (std::string at = path;; at = at.substr(0, at.rfind('.'))) {
    if (const auto found = origins.find(at); found != origins.end()) return found->second;
    if (at.find('.') == std::string::npos) return "spec";
  }
}

SpecJson resolve_plain_scalar(const std::string& text) {
  const std::string lower = ascii_lower(text);
  if (lower.empty() || lower == "~" || lower == "null") return SpecJson();
  if (is_one_of(lower, {"true", "yes", "on"})) return true;
  if (is_one_of(lower, {"false", "no", "off"})) return false;
  if (is_one_of(lower, {".inf", "+.inf", "inf"})) return HUGE_VAL;
  if (is_one_of(lower, {"-.inf", "-inf"})) return -HUGE_VAL;
  if (is_one_of(lower, {".nan", "nan"})) return std::nan("");
  if (!looks_like_number(text)) return text;
  std::string digits = text;
  std::erase(digits, '_');
  if (digits.front() == '+') digits.erase(0, 1);
  if (digits.find_first_of(".eE") == std::string::npos) {
    std::int64_t whole = 0;
    const char* end = digits.data() + digits.size();
    const auto read = std::from_chars(digits.data(), end, whole);
    if (read.ec == std::errc() && read.ptr == end) return whole;
  }
  return std::strtod(digits.c_str(), nullptr);
}

Result<SpecTree> parse_yaml(const SpecSource& source) { return YamlReader(source).read(); }

Status apply_override(SpecTree& tree, const std::string& override_text) {
  const std::string origin = "override " + shown(override_text);
  const auto complain = [&](const std::string& message) {
    return fail(ErrorKind::kInvalidArgument, origin + ": " + message);
  };
  if (override_text.rfind('~', 0) == 0) return complain("keys cannot be deleted");
  const std::size_t equals = override_text.find('=');
  if (equals == std::string::npos) return complain("an override is written key=value");
  std::string key = override_text.substr(0, equals);
  for (int i = 0; i < 2 && key.rfind('+', 0) == 0; ++i) key.erase(0, 1);
  if (("." + key + ".").find("..") != std::string::npos)
    return complain("a part of the key is empty");
  auto value = OverrideValue(std::string_view(override_text).substr(equals + 1)).read();
  if (!value) return complain(value.error().message);

  SpecJson* at = &tree.root;
  for (std::size_t begin = 0; begin <= key.size();) {
    const std::size_t end = std::min(key.find('.', begin), key.size());
    if (at->is_null()) *at = SpecJson::object();
    if (!at->is_object()) return complain(key.substr(0, begin - 1) + " is a value, not a block");
    const std::string name = key.substr(begin, end - begin);
    if (!at->contains(name)) tree.origins[key.substr(0, end)] = origin;
    at = &(*at)[name];
    begin = end + 1;
  }
  *at = std::move(*value);
  tree.origins[key] = origin;
  return {};
}

Result<std::string> interpolate(const std::string& text) {
  constexpr std::string_view kBegin = "${";
  constexpr std::string_view kEnvironment = "oc.env:";
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t begin = text.find(kBegin, at);
    if (begin == std::string::npos) return out + text.substr(at);
    out += text.substr(at, begin - at);
    const std::size_t end = text.find('}', begin);
    const std::string body = text.substr(
        begin + kBegin.size(), end == std::string::npos ? end : end - begin - kBegin.size());
    if (end == std::string::npos || body.rfind(kEnvironment, 0) != 0) {
      // Not quoted: it may be an API key.
      return fail(ErrorKind::kInvalidArgument,
                  "an interpolation ${…} is not known here: only ${oc.env:NAME} and "
                  "${oc.env:NAME,default}");
    }
    const std::string arguments = body.substr(kEnvironment.size());
    const std::size_t comma = arguments.find(',');
    const std::string name(trim(arguments.substr(0, comma)));
    const char* value = std::getenv(name.c_str());
    if (value == nullptr && comma == std::string::npos) {
      return fail(ErrorKind::kInvalidArgument,
                  fmt::format("the environment variable {} is not set", name));
    }
    out += value != nullptr ? std::string(value) : std::string(trim(arguments.substr(comma + 1)));
    at = end + 1;
  }
  return out;
}

}  // namespace alig
