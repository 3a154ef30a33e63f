// The optional parts of a request: what an endpoint may refuse to take, and in which other form, if
// any, it can be said instead. Which form an endpoint takes is found out in calls/negotiation.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace alig {

enum class RequestPart { kTemperature, kTokenLimit, kSchema, kMediaResolution };
inline constexpr std::size_t kRequestParts = 4;

// A part that a request carries and may be sent without.
struct OptionalPart {
  RequestPart part = RequestPart::kTemperature;
  // The names of its forms in the order of preference, as messages call them. After the last one
  // comes the form in which the part is left out.
  std::vector<std::string> forms;
  const char* key = "";    // of the spec: what governs the part
  std::string value = {};  // of the part, where an endpoint may take one and refuse another

  std::size_t left_out() const { return forms.size(); }
};

// A choice that leaves any part out.
inline constexpr std::size_t kLeftOut = 255;

// For each part which of its forms is sent: an index into OptionalPart::forms, or left_out().
struct RequestForm {
  std::array<std::uint8_t, kRequestParts> choices{};

  std::size_t operator[](RequestPart part) const { return choices[static_cast<std::size_t>(part)]; }
  void choose(RequestPart part, std::size_t form) {
    choices[static_cast<std::size_t>(part)] = static_cast<std::uint8_t>(form);
  }
  auto operator<=>(const RequestForm&) const = default;
};

}  // namespace alig
