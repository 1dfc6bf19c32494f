#include "daemon/api/call_places.h"

#include <gtest/gtest.h>

#include <optional>

namespace parallax {
namespace {

using Outcome = CallPlaces::Outcome;

TEST(CallPlaces, NobodyTakesMoreThanItsPart) {
  CallPlaces places;
  const CallPlaces::Limits limits{3, 2};
  const CallPlaces::Place first(places, "anna", limits);
  std::optional<CallPlaces::Place> second(std::in_place, places, "anna", limits);
  EXPECT_EQ(CallPlaces::Place(places, "anna", limits).outcome(), Outcome::caller_has_enough);
  const CallPlaces::Place other(places, "bert", limits);
  EXPECT_TRUE(other);
  EXPECT_EQ(CallPlaces::Place(places, "bert", limits).outcome(), Outcome::all_are_taken);
  second.reset();
  EXPECT_TRUE(CallPlaces::Place(places, "anna", limits));
}

TEST(CallPlaces, RefusedTakesNothing) {
  CallPlaces places;
  const CallPlaces::Limits limits{1, 1};
  {
    const CallPlaces::Place first(places, "anna", limits);
    for (int i = 0; i < 3; ++i) EXPECT_FALSE(CallPlaces::Place(places, "bert", limits));
  }
  EXPECT_TRUE(CallPlaces::Place(places, "bert", limits));
}

TEST(CallPlaces, HalfOfAllUnlessToldOtherwise) {
  EXPECT_EQ(CallPlaces::Limits::of(4, 0).per_caller, 2u);
  EXPECT_EQ(CallPlaces::Limits::of(1, 0).per_caller, 1u);
  EXPECT_EQ(CallPlaces::Limits::of(4, 3).per_caller, 3u);
}

}  // namespace
}  // namespace parallax
