/** What so many of a type would run on here, and what an hour of it costs. */
import { graphql } from "./graphql";

export const OfferQuery = graphql(`
  query HardwareOffer($type: String!, $count: Int!) {
    hardwareOffers(type: $type, count: $count) {
      hardware {
        type
        count
        provider
      }
      pricePerHour {
        amount
      }
    }
  }
`);
