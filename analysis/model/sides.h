// The words for which of two is meant, and arrays that take no other index.
//
// A bare [0] does not say whether it is the client, the way in or the outer neighbour, and compiles for all three.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

namespace parallax {

// An end of a connection. A direction of a connection is named by the end that sends, a round trip or a wait by the one that
// answers.
enum class Side : uint8_t { client, server };
// A direction along the path, whoever sends: to its last point, or to its first.
enum class Direction : uint8_t { toward_inside, toward_outside };
// What lies on either side of a point, or of the whole path: before it in path order, or behind it.
enum class PathSide : uint8_t { outer, inner };

template <typename Which>
concept OneOfTwo = std::is_same_v<Which, Side> || std::is_same_v<Which, Direction> || std::is_same_v<Which, PathSide>;

template <OneOfTwo Which>
constexpr Which opposite(Which which) {
  return static_cast<Which>(static_cast<uint8_t>(which) ^ 1);
}

// A value for each of an enumeration's two; laid out as an array of two. REQUIRES: its enumerators are 0 and 1.
template <typename Which, typename T>
requires std::is_enum_v<Which>
struct ForBoth {
  T both[2];  // in the enumeration's order; public, so that it can be initialised as an array is

  constexpr T& operator[](Which which) { return both[static_cast<size_t>(which)]; }
  constexpr const T& operator[](Which which) const { return both[static_cast<size_t>(which)]; }
  constexpr T* begin() { return both; }
  constexpr const T* begin() const { return both; }
  constexpr T* end() { return both + 2; }
  constexpr const T* end() const { return both + 2; }
  // What was taken for the one is the other's.
  constexpr void flip() { std::swap(both[0], both[1]); }
  friend constexpr bool operator==(const ForBoth& a, const ForBoth& b) {
    return a.both[0] == b.both[0] && a.both[1] == b.both[1];
  }
};
template <typename T>
using PerSide = ForBoth<Side, T>;
template <typename T>
using PerDirection = ForBoth<Direction, T>;
template <typename T>
using PerPathSide = ForBoth<PathSide, T>;
static_assert(std::is_trivially_copyable_v<PerSide<uint8_t>> && sizeof(PerSide<uint8_t>) == 2);

// An enumeration's two, for a range-for that costs what counting to two does.
template <typename Which>
struct BothOf {
  struct Iterator {
    uint8_t at;
    constexpr Which operator*() const { return static_cast<Which>(at); }
    constexpr Iterator& operator++() { return ++at, *this; }
    constexpr bool operator==(const Iterator&) const = default;
  };
  constexpr Iterator begin() const { return {0}; }
  constexpr Iterator end() const { return {2}; }
};
inline constexpr BothOf<Side> kSides{};
inline constexpr BothOf<Direction> kDirections{};
inline constexpr BothOf<PathSide> kPathSides{};

}  // namespace parallax
