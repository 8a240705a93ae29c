"""Shops and review sites: App Store, Avito, Google Business Profile, Ozon, RuStore, Trustpilot, Wildberries."""

from __future__ import annotations

from tests.contracts.specs_own.rules import (
    BEARER,
    DIGITS,
    MOMENT,
    YES_OR_NO,
    fields,
    form_of,
    needed,
    number,
    several,
    text,
    word,
    words,
)

APPLES_REVIEW = {
    "fields[customerReviews]": words(
        "rating", "title", "body", "reviewerNickname", "createdDate", "territory", "response"
    ),
    "fields[customerReviewResponses]": words("responseBody", "lastModifiedDate", "state", "review"),
    "include": words("response"),
}
APP_STORE = {
    "host": "https://api.appstoreconnect.apple.com",
    "headers": BEARER,
    "calls": [
        {
            "ask": "GET /v1/apps/{id}/customerReviews",
            "path": {"id": DIGITS},
            "query": {
                "sort": words("rating", "-rating", "createdDate", "-createdDate"),
                "limit": number(1, 200),
                "filter[territory]": text(),
                "filter[rating]": words(*"12345"),
                "exists[publishedResponse]": YES_OR_NO,
                "cursor": text(),  # of the link to the next page, which is Apple's own
                **APPLES_REVIEW,
            },
        },
        {"ask": "GET /v1/customerReviews/{id}", "query": APPLES_REVIEW},
        {
            "ask": "POST /v1/customerReviewResponses",
            "body": {
                "data": needed(
                    fields(
                        type=needed(word("customerReviewResponses")),
                        attributes=needed(fields(responseBody=needed(text(longest=5970)))),
                        relationships=needed(
                            fields(
                                review=needed(
                                    fields(data=needed(fields(type=needed(word("customerReviews")), id=needed(text()))))
                                )
                            )
                        ),
                    )
                )
            },
        },
        {"ask": "DELETE /v1/customerReviewResponses/{id}"},
    ],
}

AVITO = {
    "host": "https://api.avito.ru",
    "headers": BEARER,
    "calls": [
        {"ask": "GET /ratings/v1/reviews", "query": {"offset": needed(number(0)), "limit": needed(number(1, 50))}},
        {"ask": "POST /ratings/v1/answers", "body": {"reviewId": needed(number(1)), "message": needed(text())}},
        {"ask": "DELETE /ratings/v1/answers/{id}", "path": {"id": number(1)}},
    ],
}

PROFILE = "/v4/accounts/{account}/locations/{location}/reviews"
PROFILES = {"account": DIGITS, "location": DIGITS}
GOOGLE_BUSINESS = {
    "host": "https://mybusiness.googleapis.com",
    "headers": BEARER,
    "calls": [
        {
            "ask": f"GET {PROFILE}",
            "path": PROFILES,
            "query": {
                "pageSize": number(1, 50),
                "pageToken": text(),
                "orderBy": word("rating", "rating desc", "updateTime desc"),
            },
        },
        {"ask": f"GET {PROFILE}/{{review}}", "path": PROFILES},
        {
            "ask": f"PUT {PROFILE}/{{review}}/reply",
            "path": PROFILES,
            "body": {"comment": needed(text(maxBytes=4096))},
        },
        {"ask": f"DELETE {PROFILE}/{{review}}/reply", "path": PROFILES},
    ],
}

OZONS_PAGE = {"limit": needed(number(20, 100)), "sort_dir": word("ASC", "DESC")}
OZONS_QUESTION = {"question_id": needed(text()), "sku": needed(number(1))}
OZON = {
    "host": "https://api-seller.ozon.ru",
    "headers": {"Client-Id": needed(DIGITS), "Api-Key": needed(text())},
    "calls": [
        {
            "ask": "POST /v2/review/list",
            "body": {
                **OZONS_PAGE,
                "last_id": text(0),
                "filters": fields(
                    published_from=MOMENT,
                    published_to=MOMENT,
                    skus=several(number(1)),
                    status=word("ALL", "NEW", "VIEWED", "PROCESSED"),
                    order_status=text(),
                ),
            },
        },
        {
            "ask": "POST /v1/review/list",
            "body": {**OZONS_PAGE, "last_id": text(0), "status": word("ALL", "UNPROCESSED", "PROCESSED")},
        },
        {"ask": "POST /v2/review/info", "body": {"review_id": needed(text())}},
        {"ask": "POST /v1/review/info", "body": {"review_id": needed(text())}},
        {
            "ask": "POST /v1/review/comment/list",
            "body": {"review_id": needed(text()), **OZONS_PAGE, "offset": needed(number(0))},
        },
        {
            "ask": "POST /v1/review/comment/create",
            "body": {
                "review_id": needed(text()),
                "text": needed(text()),
                "parent_comment_id": text(),
                "mark_review_as_processed": YES_OR_NO,
            },
        },
        {
            "ask": "POST /v2/review/comment/delete",
            "body": {"comment_id": needed(text()), "sku": needed(number(1))},
        },
        {"ask": "POST /v1/review/comment/delete", "body": {"comment_id": needed(text())}},
        {
            "ask": "POST /v1/question/list",
            "body": {
                "last_id": text(0),
                "filter": fields(
                    date_from=MOMENT,
                    date_to=MOMENT,
                    status=word("ALL", "NEW", "VIEWED", "PROCESSED", "UNPROCESSED"),
                ),
            },
        },
        {"ask": "POST /v1/question/info", "body": {"question_id": needed(text())}},
        {"ask": "POST /v1/question/answer/list", "body": {**OZONS_QUESTION, "last_id": text(0)}},
        {"ask": "POST /v1/question/answer/create", "body": {**OZONS_QUESTION, "text": needed(text(2, 3000))}},
        {
            "ask": "POST /v1/question/answer/delete",
            "body": {"answer_id": needed(text()), "sku": needed(number(1))},
        },
    ],
}

RUSTORES_APP = "/public/v1/application/{package}"
PACKAGE = {"package": form_of(r"\w+(\.\w+)+")}
RUSTORES_PAGE = {"page": needed(number(0)), "size": needed(number(1, 100))}
ANSWER = {"message": needed(text(longest=500))}
RUSTORE = {
    "host": "https://public-api.rustore.ru",
    "headers": {"Public-Token": needed(text())},
    "calls": [
        {
            "ask": "POST https://public-api.rustore.ru/public/auth/",
            "body": {
                "keyId": needed(text()),
                "timestamp": needed(form_of(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d")),
                "signature": needed(form_of(r"[A-Za-z0-9+/]{300,}=*")),
            },
        },
        {"ask": f"GET {RUSTORES_APP}/comment", "path": PACKAGE, "query": RUSTORES_PAGE},
        # A number goes without pages, here and below.
        {"ask": f"GET {RUSTORES_APP}/comment", "path": PACKAGE, "query": {"id": needed(number(1))}},
        {"ask": f"GET {RUSTORES_APP}/feedback", "path": PACKAGE, "query": RUSTORES_PAGE},
        {"ask": f"GET {RUSTORES_APP}/feedback", "path": PACKAGE, "query": {"id": needed(number(1))}},
        {
            "ask": f"POST {RUSTORES_APP}/feedback",
            "path": PACKAGE,
            "query": {"commentId": needed(number(1))},
            "body": ANSWER,
        },
        {"ask": f"POST {RUSTORES_APP}/feedback/{{id}}", "path": {**PACKAGE, "id": number(1)}, "body": ANSWER},
        {"ask": f"DELETE {RUSTORES_APP}/feedback/{{id}}", "path": {**PACKAGE, "id": number(1)}},
    ],
}

TRUSTPILOTS_ID = form_of(r"[0-9a-f]{24}")
PILOTS_REVIEW = "/v1/private/reviews/{review}"
LOCAL_MOMENT = {"type": "string", "format": "local-date-time"}
TRUSTPILOT = {
    "host": "https://api.trustpilot.com",
    "headers": BEARER,
    "calls": [
        {
            "ask": "GET /v1/private/business-units/{unit}/reviews",
            "path": {"unit": TRUSTPILOTS_ID},
            "query": {
                "stars": {"type": "array", "separator": ",", "items": number(1, 5)},
                "language": text(),
                "page": number(1),
                "perPage": number(1, 100),
                "orderBy": words("createdat.asc", "createdat.desc", "stars.asc", "stars.desc"),
                "responded": YES_OR_NO,
                "startDateTime": LOCAL_MOMENT,
                "endDateTime": LOCAL_MOMENT,
            },
        },
        {"ask": f"GET {PILOTS_REVIEW}", "path": {"review": TRUSTPILOTS_ID}},
        {
            "ask": f"POST {PILOTS_REVIEW}/reply",
            "path": {"review": TRUSTPILOTS_ID},
            "body": {"message": needed(text()), "authorBusinessUserId": needed(TRUSTPILOTS_ID)},
        },
        {"ask": f"DELETE {PILOTS_REVIEW}/reply", "path": {"review": TRUSTPILOTS_ID}},
    ],
}

WB_LIST = {"isAnswered": needed(YES_OR_NO), "order": word("dateAsc", "dateDesc"), "nmId": number(1)}
WB_DAYS = {"dateFrom": number(0), "dateTo": number(0)}
WB_ANSWER = {"id": needed(text()), "text": needed(text(2, 5000))}
WB_HANDLED = fields(
    id=needed(text()), answer=needed(fields(text=needed(text(2, 5000)))), state=needed(word("wbRu", "none"))
)
WILDBERRIES = {
    "host": "https://feedbacks-api.wildberries.ru",
    "headers": {"Authorization": needed(form_of(r"[^\s]+"))},  # the token alone, without the word Bearer
    "calls": [
        {
            "ask": "GET /api/v1/feedbacks",
            "query": {**WB_LIST, **WB_DAYS, "take": needed(number(1, 5000)), "skip": needed(number(0, 199_990))},
        },
        {"ask": "GET /api/v1/feedback", "query": {"id": needed(text())}},
        {"ask": "POST /api/v1/feedbacks/answer", "body": WB_ANSWER},
        {"ask": "PATCH /api/v1/feedbacks/answer", "body": WB_ANSWER},
        {
            "ask": "GET /api/v1/questions",
            "query": {**WB_LIST, **WB_DAYS, "take": needed(number(1, 10_000)), "skip": needed(number(0, 10_000))},
        },
        {"ask": "GET /api/v1/question", "query": {"id": needed(text())}},
        {
            "ask": "PATCH /api/v1/questions",
            "body": {"any_of": [WB_HANDLED, fields(id=needed(text()), wasViewed=needed(YES_OR_NO))]},
        },
    ],
}

TABLES = {
    "app_store": APP_STORE,
    "avito": AVITO,
    "google_business": GOOGLE_BUSINESS,
    "ozon": OZON,
    "rustore": RUSTORE,
    "trustpilot": TRUSTPILOT,
    "wildberries": WILDBERRIES,
}
